// SPDX-License-Identifier: Apache-2.0

// Thousands of parked goroutines, each deep in a recursion with large frames.
package main

type x_frame struct{ notes [64]int }

//go:noinline
func x_descend(depth int, in chan int) int {
	var f x_frame
	f.notes[depth%64] = depth
	if depth == 0 {
		return <-in
	}
	return x_descend(depth-1, in) + f.notes[depth%64]
}

func x_session(in chan int) { x_descend(P_depth, in) }

func main() {
	in := make(chan int)
	for i := 0; i < P_sessions; i++ {
		go x_session(in)
	}
	x_started()
	select {}
}
