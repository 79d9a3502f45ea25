// SPDX-License-Identifier: Apache-2.0

// A loop takes the clock each turn to see whether a deadline has passed.
package main

import "time"

type x_stage struct {
	turns uint64
	next  time.Time
}

//go:noinline
func (s *x_stage) x_until(deadline time.Time) {
	for !time.Now().After(deadline) {
		s.turns++
	}
}

func main() {
	x_started()
	s := &x_stage{}
	for {
		s.x_until(time.Now().Add(P_ms * time.Millisecond))
		x_count(1)
	}
}
