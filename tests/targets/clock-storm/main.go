// SPDX-License-Identifier: Apache-2.0

// A loop takes the clock each turn to see whether a deadline has passed.
//
// Truth: clock-storm; caller main.waitUntil.
package main

import (
	"fmt"
	"os"
	"time"
)

var turns uint64

//go:noinline
func waitUntil(deadline time.Time) {
	for !time.Now().After(deadline) {
		turns++
	}
}

func main() {
	fmt.Println("ready", os.Getpid())
	for {
		waitUntil(time.Now().Add(time.Minute))
	}
}
