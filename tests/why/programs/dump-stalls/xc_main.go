// SPDX-License-Identifier: Apache-2.0

// Somebody asks for the stacks of all goroutines again and again, and there are many.
package main

import (
	"runtime/pprof"
	"time"
)

type x_sink struct{ n int }

func (s *x_sink) Write(b []byte) (int, error) {
	s.n += len(b)
	return len(b), nil
}

//go:noinline
func x_scrape(s *x_sink) {
	pprof.Lookup("goroutine").WriteTo(s, 2)
}

func x_session(in chan int) {
	for range in {
		x_count(1)
	}
}

func main() {
	in := make(chan int)
	for i := 0; i < P_sessions; i++ {
		go x_session(in)
	}
	x_started()
	s := &x_sink{}
	for range time.Tick(P_ms * time.Millisecond) {
		x_scrape(s)
		in <- 1
	}
}
