// SPDX-License-Identifier: Apache-2.0

// One goroutine sits in a C function that computes for seconds per call; nothing else runs.
//
//	cgo-c-spin [-iter N] [-depth 1..5]
//
// Truth: cgo-cpu-native; leaf crunch (depth 1) or crunch_block; Go caller main.(*Session).Transcode.
package main

/*
#include "crunch.h"
*/
import "C"

import (
	"flag"
	"fmt"
	"os"
	"time"
)

type Session struct {
	iter  int64
	depth int
}

//go:noinline
func (s *Session) Transcode() uint64 {
	return uint64(C.crunch(C.long(s.iter), C.int(s.depth)))
}

//go:noinline
func (s *Session) loop() {
	for {
		s.Transcode()
	}
}

func main() {
	iter := flag.Int64("iter", 30_000_000_000, "turns of the inner loop per call (about 1 ns each)")
	depth := flag.Int("depth", 3, "C functions between Go and the loop")
	flag.Parse()
	go (&Session{*iter, *depth}).loop()
	fmt.Println("ready", os.Getpid())
	for {
		time.Sleep(time.Hour)
	}
}
