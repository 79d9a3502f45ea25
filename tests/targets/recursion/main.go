// SPDX-License-Identifier: Apache-2.0

// Five hundred Go frames above the leaf.
//
//	recursion [-depth 500]
//
// Truth: every sample of main.burn has as many frames main.down below it.
package main

import (
	"flag"
	"fmt"
	"os"
)

//go:noinline
func burn(x uint64) uint64 {
	for i := 0; i < 20_000_000; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func down(depth int, x uint64) uint64 {
	if depth == 1 {
		return burn(x) + 1
	}
	return down(depth-1, x) + 1
}

func main() {
	depth := flag.Int("depth", 500, "frames")
	flag.Parse()
	fmt.Println("ready", os.Getpid())
	for x := uint64(1); ; {
		x = down(*depth, x)
	}
}
