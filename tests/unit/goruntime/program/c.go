// SPDX-License-Identifier: Apache-2.0

//go:build cgo
// +build cgo

package main

// void probe_rest(void);
// int probe_touch(int);
import "C"

import (
	"runtime"
	"syscall"
)

// startC leaves a goroutine in C for good.
func startC() place {
	ready := make(chan place)
	go func() {
		runtime.LockOSThread()
		ready <- place{goid(), syscall.Gettid()}
		C.probe_rest()
	}()
	return <-ready
}

func work() {
	for i := 0; i < 100; i++ {
		C.probe_touch(C.int(i))
	}
}
