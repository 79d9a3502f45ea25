// SPDX-License-Identifier: Apache-2.0

// New goroutines recurse some hundred calls deep, and end.
package main

import "sync"

type x_tree struct {
	left, right *x_tree
	key         int
}

func x_build(n int) *x_tree {
	var t *x_tree
	for i := 0; i < n; i++ {
		t = &x_tree{left: t, key: i}
	}
	return t
}

//go:noinline
func x_depth(t *x_tree, path [6]int) int {
	if t == nil {
		return path[0]
	}
	path[t.key%6]++
	l, r := x_depth(t.left, path), 0
	if t.right != nil {
		r = x_depth(t.right, path)
	}
	if l > r {
		return l + 1
	}
	return r + 1
}

func x_visit(t *x_tree, wg *sync.WaitGroup) {
	x_depth(t, [6]int{})
	wg.Done()
}

func main() {
	t := x_build(P_depth)
	x_started()
	for {
		var wg sync.WaitGroup
		for i := 0; i < 8; i++ {
			wg.Add(1)
			go x_visit(t, &wg)
		}
		wg.Wait()
		x_count(8)
	}
}
