// SPDX-License-Identifier: Apache-2.0

// A Go library for C programs (-buildmode=c-shared) whose goroutines are known, called by host.c, which prints what Park says.
//
// Truth: 25 goroutines wait in main.parked, made by main.Park; one that C called waits in main.Stay, with frames of C under it.
package main

import "C"

import "runtime"

var never = make(chan int)

//go:noinline
func parked() { <-never }

//export Park
func Park(n C.int) C.int {
	for i := 0; i < int(n); i++ {
		go parked()
	}
	return C.int(runtime.NumGoroutine())
}

//export Stay
func Stay() { <-never }

func main() {}
