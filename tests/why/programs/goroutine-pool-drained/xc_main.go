// SPDX-License-Identifier: Apache-2.0

// Goroutines that are started steadily, and end.
package main

import "time"

func x_task(id int, done chan<- int) { done <- id * 2 }

func x_collect(done <-chan int) {
	for range done {
		x_count(1)
	}
}

func main() {
	done := make(chan int, 16)
	go x_collect(done)
	x_started()
	for i := 0; ; i++ {
		go x_task(i, done)
		time.Sleep(time.Second / P_rate)
	}
}
