// SPDX-License-Identifier: Apache-2.0

// Each request leaves a goroutine that sends to a channel which nobody reads.
package main

import "time"

type x_reply struct{ code, size int }

//go:noinline
func x_fetch(id int, out chan x_reply) {
	r := x_reply{200, id % 1000}
	out <- r
}

//go:noinline
func x_handle(id int) int {
	out := make(chan x_reply)
	go x_fetch(id, out)
	select {
	case r := <-out:
		return r.code
	case <-time.After(time.Duration(id%2) * time.Microsecond):
		return 504
	}
}

func main() {
	x_started()
	for i := 0; ; i++ {
		out := make(chan x_reply)
		go x_fetch(i, out)
		if i%10 == 0 {
			x_handle(i)
		}
		x_count(1)
		time.Sleep(time.Second / P_rate)
	}
}
