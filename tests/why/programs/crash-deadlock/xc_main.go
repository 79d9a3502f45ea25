// SPDX-License-Identifier: Apache-2.0

// Two goroutines take two mutexes in opposite order; more of them queue behind.
package main

import (
	"sync"
	"time"
)

type X_Shelf struct {
	mu    sync.Mutex
	items int
}

//go:noinline
func x_move(from, to *X_Shelf) {
	from.mu.Lock()
	defer from.mu.Unlock()
	from.items--
	time.Sleep(20 * time.Millisecond)
	to.mu.Lock()
	to.items++
	to.mu.Unlock()
	x_count(1)
}

//go:noinline
func (s *X_Shelf) X_Items() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items
}

func x_audit(s *X_Shelf) {
	for {
		s.X_Items()
		time.Sleep(5 * time.Millisecond)
	}
}

func main() {
	a, b := &X_Shelf{items: 100}, &X_Shelf{items: 100}
	x_started()
	go x_move(a, b)
	go x_move(b, a)
	time.Sleep(100 * time.Millisecond)
	for i := 0; i < P_waiters; i++ {
		go x_audit(a)
		go x_audit(b)
	}
	for range time.Tick(50 * time.Millisecond) {
	}
}
