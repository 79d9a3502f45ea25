// SPDX-License-Identifier: Apache-2.0

// library is Go inside a C program, as a shared object or an archive: host/host.c calls in.
package main

import "C"

import (
	"bytes"
	"fmt"
	"runtime"
	"syscall"
)

var sink uint64

// ProbeServe says which thread and goroutine it is on, and stays there.
//
//export ProbeServe
func ProbeServe() {
	runtime.LockOSThread()
	buf := make([]byte, 64)
	fmt.Printf("%d %s\n", syscall.Gettid(), bytes.Fields(buf[:runtime.Stack(buf, false)])[1])
	for {
		sink++
	}
}

func main() {}
