// SPDX-License-Identifier: Apache-2.0

// Many readers and a few frequent writers share one RWMutex.
package main

import "sync"

type X_Routes struct {
	mu   sync.RWMutex
	next map[int]int
}

//go:noinline
func (r *X_Routes) X_Find(k int) int {
	r.mu.RLock()
	v := r.next[k%256]
	r.mu.RUnlock()
	return v
}

//go:noinline
func (r *X_Routes) X_Set(k, v int) {
	r.mu.Lock()
	r.next[k%256] = v
	r.mu.Unlock()
}

func x_reader(r *X_Routes, id int) {
	for k := id; ; k++ {
		r.X_Find(k)
		if k%1000 == 0 {
			x_count(1000)
		}
	}
}

func x_writer(r *X_Routes, id int) {
	for k := id; ; k++ {
		r.X_Set(k, id)
	}
}

func main() {
	r := &X_Routes{next: map[int]int{}}
	for i := 0; i < P_readers; i++ {
		go x_reader(r, i)
	}
	for i := 0; i < P_writers; i++ {
		go x_writer(r, i)
	}
	x_started()
	select {}
}
