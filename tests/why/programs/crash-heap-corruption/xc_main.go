// SPDX-License-Identifier: Apache-2.0

// C keeps a pointer to Go memory that is gone, and writes it past the end of another Go object; the collector dies later,
// somewhere else.
package main

/*
#include <stdint.h>
static uintptr_t xc_kept;

static void xc_attach(void *at) { xc_kept = (uintptr_t)at; }

static void xc_fill(void *at, int words)
{
    uintptr_t *w = at;
    for (int i = 0; i < words; i++)
        w[i] = xc_kept;
}
*/
import "C"

import (
	"time"
	"unsafe"
)

type x_node struct {
	next *x_node
	data [7]uintptr
}

var x_head *x_node

//go:noinline
func x_attach() {
	b := make([]byte, 16<<20)
	C.xc_attach(unsafe.Pointer(&b[len(b)-8192]))
}

//go:noinline
func x_decode(n *x_node, words int) {
	C.xc_fill(unsafe.Pointer(&n.data[0]), C.int(words))
}

//go:noinline
func x_index(n int) *x_node {
	x_head = nil
	for i := 0; i < n; i++ {
		x_head = &x_node{next: x_head}
	}
	return x_head
}

func main() {
	x_started()
	x_attach()
	for i := 0; ; i++ {
		n := x_index(4000)
		words := 6
		if i > P_turn {
			words = P_words
		}
		x_decode(n.next.next, words)
		x_count(1)
		time.Sleep(time.Millisecond)
	}
}
