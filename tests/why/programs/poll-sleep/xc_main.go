// SPDX-License-Identifier: Apache-2.0

// Goroutines look at a channel, and sleep a few milliseconds when it is empty. Nothing ever comes.
package main

import "time"

type x_queue struct {
	in   chan int
	done int
}

//go:noinline
func (q *x_queue) x_drain() {
	for {
		select {
		case v := <-q.in:
			q.done += v
		default:
			time.Sleep(P_us * time.Microsecond)
		}
	}
}

func main() {
	for i := 0; i < P_pollers; i++ {
		go (&x_queue{in: make(chan int, 8)}).x_drain()
	}
	x_started()
	select {}
}
