// SPDX-License-Identifier: Apache-2.0

// A finalizer tells a channel that nobody reads any more: it waits, and no other finalizer runs.
package main

import (
	"runtime"
	"time"
)

type X_Buffer struct{ data []byte }

var x_freed = make(chan int)

//go:noinline
func x_release(b *X_Buffer) {
	if P_blocked == 1 {
		x_freed <- len(b.data)
	}
	b.data = nil
}

//go:noinline
func x_acquire() *X_Buffer {
	b := &X_Buffer{make([]byte, P_bytes)}
	runtime.SetFinalizer(b, x_release)
	return b
}

func main() {
	x_started()
	for i := 0; ; i++ {
		b := x_acquire()
		b.data[i%len(b.data)] = 1
		x_count(1)
		time.Sleep(P_us * time.Microsecond)
	}
}
