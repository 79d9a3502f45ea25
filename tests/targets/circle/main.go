// SPDX-License-Identifier: Apache-2.0

// Two goroutines take two locks in opposite order; a ticker goes on.
//
// Truth: goroutine-deadlock; both wait in main.(*account).pay.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

type account struct {
	sync.Mutex
	sum int
}

//go:noinline
func (a *account) pay(to *account, both *sync.WaitGroup) {
	a.Lock()
	defer a.Unlock()
	both.Done()
	both.Wait()
	to.Lock()
	defer to.Unlock()
	a.sum--
	to.sum++
}

func main() {
	var both sync.WaitGroup
	first, second := new(account), new(account)
	both.Add(2)
	go first.pay(second, &both)
	go second.pay(first, &both)
	both.Wait()
	time.Sleep(200 * time.Millisecond)
	fmt.Println("ready", os.Getpid(), runtime.NumGoroutine())
	for range time.Tick(time.Second) {
	}
}
