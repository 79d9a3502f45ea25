// SPDX-License-Identifier: Apache-2.0

// Thousands of goroutines, each with a ticker of one second in a select; their phases are spread.
package main

import "time"

type X_Session struct {
	id   int
	in   chan string
	seen time.Time
}

//go:noinline
func (s *X_Session) x_keepalive() {
	t := time.NewTicker(P_ms * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-s.in:
			return
		case now := <-t.C:
			s.seen = now
			x_count(1)
		}
	}
}

func main() {
	for i := 0; i < P_sessions; i++ {
		go (&X_Session{id: i, in: make(chan string)}).x_keepalive()
		if i%(P_sessions/200+1) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	x_started()
	select {}
}
