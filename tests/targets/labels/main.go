// SPDX-License-Identifier: Apache-2.0

// Two goroutines with pprof labels burn a core's share each, a third has none.
//
// Truth: samples of main.burnA carry route=/a and tenant=blue, main.burnB route=/b, main.burnC nothing.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/pprof"
)

//go:noinline
func burn(x uint64) uint64 {
	for i := 0; i < 1000; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func burnA() {
	for x := uint64(1); ; {
		x = burn(x)
	}
}

//go:noinline
func burnB() {
	for x := uint64(2); ; {
		x = burn(x)
	}
}

//go:noinline
func burnC() {
	for x := uint64(3); ; {
		x = burn(x)
	}
}

func main() {
	go pprof.Do(context.Background(), pprof.Labels("route", "/a", "tenant", "blue"), func(context.Context) { burnA() })
	go pprof.Do(context.Background(), pprof.Labels("route", "/b"), func(context.Context) { burnB() })
	fmt.Println("ready", os.Getpid())
	burnC()
}
