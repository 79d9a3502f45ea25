// SPDX-License-Identifier: Apache-2.0

// The program asks for a collection after each batch.
package main

import (
	"runtime"
	"time"
)

type x_item struct {
	next *x_item
	v    [40]byte
}

var x_items *x_item

//go:noinline
func x_flush(batch int) int {
	var head *x_item
	for i := 0; i < 1000; i++ {
		head = &x_item{next: head}
	}
	runtime.GC()
	return len(head.v) + batch
}

func main() {
	for i := 0; i < P_items; i++ {
		x_items = &x_item{next: x_items}
	}
	x_started()
	for i := 0; ; i++ {
		x_flush(i)
		x_count(1)
		time.Sleep(P_ms * time.Millisecond)
	}
}
