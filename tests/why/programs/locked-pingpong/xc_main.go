// SPDX-License-Identifier: Apache-2.0

// Pairs of goroutines, each bound to its thread, pass a token.
package main

import "runtime"

type x_token struct{ n int }

//go:noinline
func x_relay(in, out chan x_token) {
	runtime.LockOSThread()
	for t := range in {
		t.n++
		if t.n%1000 == 0 {
			x_count(1000)
		}
		out <- t
	}
}

func main() {
	for i := 0; i < P_pairs; i++ {
		a, b := make(chan x_token), make(chan x_token)
		go x_relay(a, b)
		go x_relay(b, a)
		a <- x_token{}
	}
	x_started()
	select {}
}
