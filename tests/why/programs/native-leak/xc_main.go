// SPDX-License-Identifier: Apache-2.0

// A C function keeps what it allocates; the Go heap stays flat.
package main

/*
#include <stdlib.h>
#include <string.h>

static void *xc_copy(const char *from, size_t n)
{
    char *to = malloc(n);
    if (to)
        memset(to, from[0], n);
    return to;
}
*/
import "C"

import (
	"time"
	"unsafe"
)

type X_Index struct {
	last unsafe.Pointer
	text [16]byte
}

//go:noinline
func (x *X_Index) X_Add(n int) {
	x.last = C.xc_copy((*C.char)(unsafe.Pointer(&x.text[0])), C.size_t(n))
}

func main() {
	x := &X_Index{}
	x_started()
	for range time.Tick(10 * time.Millisecond) {
		for i := 0; i < P_rate/100; i++ {
			x.X_Add(P_bytes + i%7*16)
			x_count(1)
		}
		if p := C.malloc(256); p != nil {
			C.free(p)
		}
	}
}
