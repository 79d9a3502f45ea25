// SPDX-License-Identifier: Apache-2.0

// Memory is given back to the system after each batch, and touched again by the next.
package main

import (
	"runtime/debug"
	"time"
)

type x_sheet struct{ cells []byte }

//go:noinline
func x_batch(n int) (sum int) {
	sheets := make([]x_sheet, n)
	for i := range sheets {
		sheets[i].cells = make([]byte, 1<<20)
		for k := 0; k < 1<<20; k += 4096 {
			sheets[i].cells[k] = byte(k)
		}
		sum += int(sheets[i].cells[4096])
	}
	return sum
}

//go:noinline
func x_tidy() { debug.FreeOSMemory() }

func main() {
	x_started()
	for {
		x_batch(P_mb)
		x_tidy()
		x_count(1)
		time.Sleep(5 * time.Millisecond)
	}
}
