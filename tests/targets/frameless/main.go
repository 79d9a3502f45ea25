// SPDX-License-Identifier: Apache-2.0

// Hot Go leaf functions so small that they have no frame. Two callers, 1 : 3.
//
// Truth: every sample of main.leaf has main.callerOne or main.callerThree as its caller, then main.work, main.main.
package main

import (
	"fmt"
	"os"
)

//go:noinline
func leaf(x uint64, n int) uint64 {
	for i := 0; i < n; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

//go:noinline
func callerOne(x uint64) uint64 { return leaf(x, 100_000) + 1 }

//go:noinline
func callerThree(x uint64) uint64 { return leaf(x, 300_000) + 3 }

//go:noinline
func work(x uint64) uint64 { return callerThree(callerOne(x)) }

func main() {
	fmt.Println("ready", os.Getpid())
	for x := uint64(1); ; {
		x = work(x)
	}
}
