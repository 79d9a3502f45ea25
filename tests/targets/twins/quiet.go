// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"
	"time"
)

func init() {
	twins["timers-few"] = timersFew
	twins["mutex-light"] = mutexLight
	twins["goroutine-pool-drained"] = poolDrained
	twins["goroutine-burst"] = burst
	twins["parked-workers"] = parkedWorkers
}

// 100 one-second tickers.
func timersFew() {
	for i := 0; i < 100; i++ {
		time.Sleep(3 * time.Millisecond)
		go func() {
			n := 0
			for range time.Tick(time.Second) {
				n++
			}
		}()
	}
}

// 4 goroutines, a short critical section each 3 ms.
func mutexLight() {
	var mu sync.Mutex
	counts := map[int]int{}
	for i := 0; i < 4; i++ {
		go func(i int) {
			for range time.Tick(3 * time.Millisecond) {
				mu.Lock()
				counts[i]++
				mu.Unlock()
			}
		}(i)
	}
}

// 100 goroutines a second that end.
func poolDrained() {
	done := make(chan int, 16)
	go func() {
		for range done {
		}
	}()
	for i := 0; ; i++ {
		go func(i int) { done <- i }(i)
		time.Sleep(10 * time.Millisecond)
	}
}

// 2000 goroutines for 5 ms, each second.
func burst() {
	for {
		var wg sync.WaitGroup
		for i := 0; i < 2000; i++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				time.Sleep(5 * time.Millisecond)
			}()
		}
		wg.Wait()
		time.Sleep(time.Second)
	}
}

// 10 000 parked goroutines, their number constant.
func parkedWorkers() {
	work := make(chan int)
	for i := 0; i < 10000; i++ {
		go func() {
			for range work {
			}
		}()
	}
}
