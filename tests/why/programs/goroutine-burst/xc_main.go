// SPDX-License-Identifier: Apache-2.0

// Many goroutines for some milliseconds, each second.
package main

import (
	"sync"
	"time"
)

func x_call(wg *sync.WaitGroup) {
	time.Sleep(5 * time.Millisecond)
	wg.Done()
}

func main() {
	x_started()
	for {
		var wg sync.WaitGroup
		for i := 0; i < P_calls; i++ {
			wg.Add(1)
			go x_call(&wg)
		}
		wg.Wait()
		x_count(1)
		time.Sleep(time.Second)
	}
}
