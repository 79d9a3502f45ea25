// SPDX-License-Identifier: Apache-2.0

// A few goroutines wait for a flag with runtime.Gosched.
package main

import (
	"runtime"
	"sync/atomic"
)

var x_open int32

//go:noinline
func x_await() {
	for atomic.LoadInt32(&x_open) == 0 {
		runtime.Gosched()
	}
}

func main() {
	for i := 0; i < P_waiters; i++ {
		go x_await()
	}
	x_started()
	select {}
}
