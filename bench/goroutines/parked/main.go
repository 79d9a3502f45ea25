// SPDX-License-Identifier: Apache-2.0

// N goroutines parked on one channel under 0 … 7 calls, and a heartbeat: each byte on standard input is answered by the
// longest gap between two beats of 200 us since the last answer, in milliseconds.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

var longest int64

//go:noinline
func down(n int, c chan int) int {
	if n == 0 {
		return <-c
	}
	return down(n-1, c) + n
}

func beat() {
	for last := time.Now(); ; {
		time.Sleep(200 * time.Microsecond)
		now := time.Now()
		if gap := int64(now.Sub(last)); gap > atomic.LoadInt64(&longest) {
			atomic.StoreInt64(&longest, gap)
		}
		last = now
	}
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	c := make(chan int)
	for i := 0; i < n; i++ {
		go down(i%8, c)
	}
	for runtime.NumGoroutine() != n+1 {
		time.Sleep(time.Millisecond)
	}
	go beat()
	fmt.Println("ready")
	for one := make([]byte, 1); ; {
		if _, err := os.Stdin.Read(one); err != nil {
			return
		}
		fmt.Println(float64(atomic.SwapInt64(&longest, 0)) / 1e6)
	}
}
