// SPDX-License-Identifier: Apache-2.0

// A map had a peak; nearly all of it was deleted, and it keeps its size.
package main

import "time"

type X_Session struct{ fields [12]int64 }

type X_Sessions struct{ open map[int]X_Session }

//go:noinline
func (s *X_Sessions) X_Load(n int) {
	for i := 0; i < n; i++ {
		s.open[i] = X_Session{}
	}
}

func (s *X_Sessions) X_Expire(n int) {
	for i := 0; i < n; i++ {
		delete(s.open, i)
	}
}

func main() {
	s := &X_Sessions{map[int]X_Session{}}
	s.X_Load(P_peak)
	s.X_Expire(P_peak - P_left)
	x_started()
	for i := 0; ; i++ {
		s.open[P_peak-1-i%P_left] = X_Session{}
		x_count(1)
		time.Sleep(5 * time.Millisecond)
	}
}
