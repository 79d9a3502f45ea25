// SPDX-License-Identifier: Apache-2.0

// Producers hand tiny items to channels and sleep some microseconds between them.
package main

import "time"

type x_item struct{ from, n int }

//go:noinline
func x_produce(id int, out chan<- x_item) {
	for i := 0; ; i++ {
		out <- x_item{id, i}
		time.Sleep(P_us * time.Microsecond)
	}
}

//go:noinline
func x_consume(in <-chan x_item) {
	sum := 0
	for v := range in {
		sum += v.n
		if v.n%64 == 0 {
			x_count(64)
		}
	}
}

func main() {
	for i := 0; i < P_producers; i++ {
		c := make(chan x_item, P_cap)
		go x_consume(c)
		go x_produce(i, c)
	}
	x_started()
	select {}
}
