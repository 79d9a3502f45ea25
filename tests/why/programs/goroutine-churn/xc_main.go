// SPDX-License-Identifier: Apache-2.0

// Waves of goroutines that each do an addition.
package main

import (
	"sync"
	"sync/atomic"
)

type x_batch struct {
	wg  sync.WaitGroup
	sum int64
}

//go:noinline
func (b *x_batch) x_add(v int64) {
	atomic.AddInt64(&b.sum, v)
	b.wg.Done()
}

//go:noinline
func x_reduce(values []int64) int64 {
	b := &x_batch{}
	b.wg.Add(len(values))
	for _, v := range values {
		go b.x_add(v)
	}
	b.wg.Wait()
	return b.sum
}

func main() {
	values := make([]int64, P_wave)
	for i := range values {
		values[i] = int64(i)
	}
	x_started()
	for {
		x_reduce(values)
		x_count(1)
	}
}
