// SPDX-License-Identifier: Apache-2.0

// Steady allocation beside a live heap of some size.
package main

import "time"

type x_node struct {
	left, right *x_node
	pad         [48]byte
}

var x_live []*x_node

//go:noinline
func x_replace(at, n int) int {
	for i := 0; i < n; i++ {
		x_live[at] = &x_node{left: x_live[at/2]}
		if x_live[at].left != nil {
			x_live[at].left.left = nil
		}
		at = (at + 1) % len(x_live)
	}
	return at
}

func main() {
	x_live = make([]*x_node, P_nodes)
	x_replace(0, len(x_live))
	x_started()
	for at := 0; ; {
		at = x_replace(at, P_rate*1024*1024/64/100)
		x_count(1)
		time.Sleep(10 * time.Millisecond)
	}
}
