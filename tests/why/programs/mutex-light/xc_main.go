// SPDX-License-Identifier: Apache-2.0

// A few goroutines, a short critical section each some milliseconds.
package main

import (
	"sync"
	"time"
)

type X_Stats struct {
	mu  sync.Mutex
	per map[int]int
}

func (s *X_Stats) X_Add(k int) {
	s.mu.Lock()
	s.per[k]++
	s.mu.Unlock()
}

func x_worker(s *X_Stats, id int) {
	for range time.Tick(P_ms * time.Millisecond) {
		s.X_Add(id)
		x_count(1)
	}
}

func main() {
	s := &X_Stats{per: map[int]int{}}
	for i := 0; i < P_workers; i++ {
		go x_worker(s, i)
	}
	x_started()
	select {}
}
