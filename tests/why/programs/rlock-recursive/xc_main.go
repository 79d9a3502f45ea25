// SPDX-License-Identifier: Apache-2.0

// A reader takes the lock again while a writer waits.
package main

import (
	"sync"
	"time"
)

type X_Catalog struct {
	mu    sync.RWMutex
	price map[int]int
}

//go:noinline
func (c *X_Catalog) X_Price(id int) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.price[id]
}

//go:noinline
func (c *X_Catalog) X_Sum(n int) (sum int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i := 0; i < n; i++ {
		time.Sleep(time.Millisecond)
		sum += c.X_Price(i)
	}
	return sum
}

func (c *X_Catalog) X_Set(id, v int) {
	c.mu.Lock()
	c.price[id] = v
	c.mu.Unlock()
}

func x_reader(c *X_Catalog) {
	for {
		c.X_Sum(20)
		x_count(1)
	}
}

func main() {
	c := &X_Catalog{price: map[int]int{}}
	x_started()
	for i := 0; i < P_readers; i++ {
		go x_reader(c)
	}
	for i := 0; ; i++ {
		time.Sleep(10 * time.Millisecond)
		c.X_Set(i, i)
	}
}
