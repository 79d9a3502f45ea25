// SPDX-License-Identifier: Apache-2.0

// Many parked goroutines; their number does not change.
package main

import "time"

func x_worker(work <-chan int) {
	for range work {
		x_count(1)
	}
}

func main() {
	work := make(chan int)
	for i := 0; i < P_workers; i++ {
		go x_worker(work)
	}
	x_started()
	for range time.Tick(200 * time.Millisecond) {
		work <- 1
	}
}
