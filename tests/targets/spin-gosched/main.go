// SPDX-License-Identifier: Apache-2.0

// A few goroutines wait for a flag with runtime.Gosched.
//
//	spin-gosched [-waiters N]
//
// Truth: busy-spin, kind Gosched; function main.awaitReady.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
)

var ready int32

//go:noinline
func awaitReady() {
	for atomic.LoadInt32(&ready) == 0 {
		runtime.Gosched()
	}
}

func main() {
	waiters := flag.Int("waiters", 4, "how many goroutines wait")
	flag.Parse()
	for i := 0; i < *waiters; i++ {
		go awaitReady()
	}
	fmt.Println("ready", os.Getpid())
	select {}
}
