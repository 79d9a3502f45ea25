// SPDX-License-Identifier: Apache-2.0

// Native handles are freed by a finalizer that never runs: each object is in a cycle.
package main

/*
#include <stdlib.h>
#include <string.h>
static void *xc_open(size_t n) { return memset(malloc(n), 1, n); }
static void xc_close(void *p) { free(p); }
*/
import "C"

import (
	"runtime"
	"time"
	"unsafe"
)

type X_Handle struct {
	native unsafe.Pointer
	owner  *X_Owner
}

type X_Owner struct{ handle *X_Handle }

func x_release(h *X_Handle) { C.xc_close(h.native) }

//go:noinline
func x_acquire() *X_Owner {
	o := &X_Owner{}
	o.handle = &X_Handle{C.xc_open(P_bytes), o}
	runtime.SetFinalizer(o.handle, x_release)
	return o
}

func main() {
	x_started()
	junk := make([][]byte, 8)
	for i := 0; ; i++ {
		x_acquire()
		junk[i%8] = make([]byte, 64<<10)
		x_count(1)
		time.Sleep(P_us * time.Microsecond)
	}
}
