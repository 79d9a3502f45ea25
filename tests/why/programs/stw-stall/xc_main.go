// SPDX-License-Identifier: Apache-2.0

// A loop that cannot be preempted holds up each collection; everybody else waits for it.
package main

import "time"

type x_grid [1024]uint32

//go:noinline
func (g *x_grid) x_settle(turns int) (sum uint32) {
	for t := 0; t < turns; t++ {
		for i := range g {
			sum = sum*31 + g[i]
		}
	}
	return sum
}

func x_solver(g *x_grid) {
	for i := 0; ; i++ {
		g[i&1023] = g.x_settle(P_turns)
	}
}

var x_recent [64][]byte

//go:noinline
func x_serve(id int) {
	x_recent[id%64] = make([]byte, 64<<10)
	x_count(1)
}

func main() {
	x_started()
	time.Sleep(200 * time.Millisecond)
	go x_solver(new(x_grid))
	for i := 0; ; i++ {
		x_serve(i)
		time.Sleep(time.Millisecond)
	}
}
