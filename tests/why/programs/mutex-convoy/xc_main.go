// SPDX-License-Identifier: Apache-2.0

// Many goroutines, one mutex, a short critical section that all of them want all the time.
package main

import "sync"

type X_Table struct {
	mu    sync.Mutex
	rows  map[int]int
	total int
}

//go:noinline
func (t *X_Table) X_Put(k, v int) {
	t.mu.Lock()
	t.rows[k%512] += v
	t.total += t.rows[(k*7)%512]
	t.mu.Unlock()
}

func x_feed(t *X_Table, from int) {
	for k := from; ; k++ {
		t.X_Put(k, k&3)
		if k%1000 == 0 {
			x_count(1000)
		}
	}
}

func main() {
	t := &X_Table{rows: map[int]int{}}
	for i := 0; i < P_workers; i++ {
		go x_feed(t, i*1000)
	}
	x_started()
	select {}
}
