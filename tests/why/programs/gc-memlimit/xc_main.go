// SPDX-License-Identifier: Apache-2.0

// The memory limit is a little above what is live.
package main

import (
	"runtime"
	"runtime/debug"
)

type x_entry struct {
	next *x_entry
	body [P_bytes]byte
}

var x_kept *x_entry

func x_fill(mb int) {
	for n := 0; n < mb<<20; n += P_bytes + 8 {
		x_kept = &x_entry{next: x_kept}
	}
}

//go:noinline
func x_answer(n int) int {
	var list *x_entry
	for i := 0; i < n; i++ {
		list = &x_entry{next: list}
	}
	return len(list.body)
}

func main() {
	x_fill(P_mb)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	debug.SetMemoryLimit(int64(m.Sys-m.HeapIdle) * 102 / 100)
	x_started()
	for {
		x_answer(100)
		x_count(1)
	}
}
