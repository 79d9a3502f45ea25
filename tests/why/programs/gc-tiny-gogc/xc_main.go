// SPDX-License-Identifier: Apache-2.0

// GOGC is tiny beside a live tree.
package main

import (
	"os"
	"runtime/debug"
	"time"
)

type x_node struct {
	left, right *x_node
	value       int
}

func x_tree(n int) *x_node {
	if n == 0 {
		return nil
	}
	half := (n - 1) / 2
	return &x_node{x_tree(half), x_tree(n - 1 - half), n}
}

var x_root *x_node

//go:noinline
func x_request(n int) int {
	t := x_tree(n)
	return t.value + x_root.value
}

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(P_percent)
	}
	x_root = x_tree(P_nodes)
	x_started()
	sum := 0
	for {
		for i := 0; i < 20; i++ {
			sum += x_request(200)
			x_count(1)
		}
		if sum&0xff == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
}
