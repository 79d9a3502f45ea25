// SPDX-License-Identifier: Apache-2.0

// A spike of memory, freed; then the program is idle.
package main

import (
	"runtime"
	"time"
)

type x_page [1 << 16]byte

//go:noinline
func x_import(mb int) (sum int) {
	pages := make([]*x_page, 0, mb*16)
	for i := 0; i < mb*16; i++ {
		p := new(x_page)
		for k := 0; k < len(p); k += 4096 {
			p[k] = byte(i)
		}
		pages = append(pages, p)
	}
	for _, p := range pages {
		sum += int(p[0])
	}
	return sum
}

func main() {
	x_import(P_mb)
	for i := 0; i < 3; i++ {
		runtime.GC()
		time.Sleep(100 * time.Millisecond)
	}
	if P_force == 1 {
		x_return()
	}
	x_started()
	for range time.Tick(time.Second) {
		x_count(1)
	}
}
