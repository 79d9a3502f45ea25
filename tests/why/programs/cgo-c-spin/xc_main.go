// SPDX-License-Identifier: Apache-2.0

// One goroutine sits in a C function that computes for seconds per call.
package main

/*
#include "xc_codec.h"
*/
import "C"

import "time"

type X_Session struct {
	turns int64
	key   uint64
}

//go:noinline
func (s *X_Session) X_Encode() uint64 {
	return uint64(C.xc_encode(C.long(s.turns), C.ulong(s.key), P_depth))
}

//go:noinline
func (s *X_Session) x_run() {
	for {
		s.key ^= s.X_Encode()
		x_count(1)
	}
}

func main() {
	go (&X_Session{P_turns, 88172645463325252}).x_run()
	x_started()
	for {
		time.Sleep(time.Hour)
	}
}
