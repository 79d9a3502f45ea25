// SPDX-License-Identifier: Apache-2.0

// A mutex is held over a wait of some ten milliseconds, and a hundred goroutines want it.
package main

import (
	"sync"
	"time"
)

type X_Account struct {
	mu      sync.Mutex
	balance map[int]int
}

func x_remote() { time.Sleep(P_ms * time.Millisecond) }

//go:noinline
func (a *X_Account) X_Transfer(from, to int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.balance[from]--
	x_remote()
	a.balance[to]++
	x_count(1)
}

func x_client(a *X_Account, id int) {
	for {
		a.X_Transfer(id, id+1)
	}
}

func main() {
	a := &X_Account{balance: map[int]int{}}
	for i := 0; i < P_clients; i++ {
		go x_client(a, i)
	}
	x_started()
	select {}
}
