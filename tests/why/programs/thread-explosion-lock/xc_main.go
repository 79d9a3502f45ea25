// SPDX-License-Identifier: Apache-2.0

// A new goroutine every few milliseconds binds itself to a thread and waits for a message.
package main

import (
	"runtime"
	"time"
)

type X_Device struct {
	id  int
	cmd chan int
}

//go:noinline
func (d *X_Device) x_own() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range d.cmd {
		d.id++
	}
}

func main() {
	x_started()
	for i := 0; ; i++ {
		go (&X_Device{i, make(chan int)}).x_own()
		x_count(1)
		time.Sleep(P_every * time.Millisecond)
	}
}
