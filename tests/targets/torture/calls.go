// SPDX-License-Identifier: Apache-2.0

package main

/*
#cgo CFLAGS: -O2 -fomit-frame-pointer
#cgo LDFLAGS: -lm
#include "calls.h"
*/
import "C"

import (
	"sync/atomic"
	"unsafe"
)

//export goLevel
func goLevel(depth C.int) C.long {
	if depth > 1 {
		return C.c_level(depth-1) + 1
	}
	x := make([]*node, 50) // the runtime on g0, below C
	for i := range x {
		x[i] = &node{v: i}
	}
	return C.long(spin(1000)&7) + C.c_burn(1000) + C.long(len(x))
}

//export goPanics
func goPanics(n C.int) C.long {
	recovered(func() { deref(nil) })
	if n == 1 {
		panic("through C")
	}
	return 1
}

//export goCompare
func goCompare(a, b unsafe.Pointer) C.int { return C.int(*(*int32)(a) - *(*int32)(b)) }

func init() {
	work["callbacks"] = func() {
		for i := 0; i < 300; i++ {
			atomic.AddUint64(&sink, uint64(C.c_level(3)))
		}
	}
	work["c"] = func() { atomic.AddUint64(&sink, uint64(C.c_library(1000))) }
	work["shortcalls"] = func() {
		for i := 0; i < 100_000; i++ {
			atomic.AddUint64(&sink, uint64(C.c_short(C.long(i))))
		}
	}
	work["cpanics"] = func() {
		for i := 0; i < 50; i++ {
			recovered(func() { C.c_panics(C.int(i & 1)) })
		}
	}
	work["threads"] = func() { atomic.AddUint64(&sink, uint64(C.c_thread())) }
	work["qsort"] = func() { atomic.AddUint64(&sink, uint64(C.c_sort(500))) }
}
