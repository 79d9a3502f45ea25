// SPDX-License-Identifier: Apache-2.0

// Many goroutines allocate beside a live heap full of pointers.
package main

type x_node struct {
	a, b *x_node
	pad  [2]int
}

var x_root *x_node

func x_grow(n int) *x_node {
	if n <= 0 {
		return nil
	}
	return &x_node{a: x_grow((n - 1) / 2), b: x_grow(n - 1 - (n-1)/2)}
}

//go:noinline
func x_serve() int {
	t := x_grow(500)
	return t.pad[0]
}

func x_worker() {
	for {
		x_serve()
		x_count(1)
	}
}

func main() {
	x_root = x_grow(P_nodes)
	for i := 0; i < P_workers; i++ {
		go x_worker()
	}
	x_started()
	select {}
}
