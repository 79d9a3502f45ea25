// SPDX-License-Identifier: Apache-2.0

// Clock reads from a goroutine several frames deep, with some work of its own.
//
// Truth: samples in the vDSO have the chain main.main main.outer main.inner time.Now (or runtime.nanotime) below them.
package main

import (
	"fmt"
	"os"
	"time"
)

//go:noinline
func inner(x uint64) uint64 {
	for i := 0; i < 40; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x + uint64(time.Now().Nanosecond())
}

//go:noinline
func outer(x uint64) uint64 { return inner(x) + 1 }

func main() {
	fmt.Println("ready", os.Getpid())
	for x := uint64(1); ; {
		x = outer(x)
	}
}
