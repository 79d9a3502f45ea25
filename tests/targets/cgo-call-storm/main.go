// SPDX-License-Identifier: Apache-2.0

// A hot Go loop calls a C function of a few nanoseconds, millions of times a second.
//
// Truth: cgo-call-overhead; calling function main.checksum.
package main

/*
static unsigned step(unsigned x) { return x * 1103515245u + 12345u; }
*/
import "C"

import (
	"fmt"
	"os"
)

//go:noinline
func checksum(n int) uint32 {
	x := C.uint(1)
	for i := 0; i < n; i++ {
		x = C.step(x)
	}
	return uint32(x)
}

func main() {
	fmt.Println("ready", os.Getpid())
	var all uint32
	for {
		all += checksum(1_000_000)
	}
}
