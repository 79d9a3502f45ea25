// SPDX-License-Identifier: Apache-2.0

// loaded is a server under load that never holds still, for readers of its memory. Its goroutines of each kind are as many
// all the time, but for those that handle requests, which come and go; each stands in functions of its own kind only, by
// whose names a reader's mistake shows:
//
//	-pairs N     N goroutines in pingBegin, N in pongBegin: they hand a token to and fro on stacks of changing depth
//	-lockers N   N goroutines in lockBegin, of one mutex
//	-sleepers N  N goroutines in sleepBegin
//	             one in serveBegin, which starts 2,000 a second that run handleBegin
//	             one in beatBegin, on a thread of its own: it sleeps for 1 ms again and again
//
// It prints "ready", and answers each line that it reads with a JSON object: beats since the last line, the longest pause
// between two and the time that all pauses beyond 2 ms took together, in ns; and runtime.NumGoroutine().
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var (
	mutex              sync.Mutex
	sink               uint64
	beats, worst, late int64
)

//go:noinline
func pingDeep(n int, c chan int, token int) {
	if n > 0 {
		pingDeep(n-1, c, token)
		return
	}
	c <- token
}

//go:noinline
func pongDeep(n int, c chan int) int {
	if n > 0 {
		return pongDeep(n-1, c)
	}
	return <-c
}

func pingBegin(c chan int) {
	for i := 0; ; i++ {
		pingDeep(i%19, c, i)
		if i%64 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

func pongBegin(c chan int) {
	for i := 0; ; i++ {
		pongDeep(i%17, c)
	}
}

//go:noinline
func lockHold() {
	mutex.Lock()
	for i := 0; i < 1000; i++ {
		sink += uint64(i)
	}
	mutex.Unlock()
}

func lockBegin() {
	for {
		lockHold()
		time.Sleep(2 * time.Millisecond)
	}
}

func sleepBegin(i int) {
	for {
		time.Sleep(time.Duration(1+i%50) * time.Millisecond)
	}
}

//go:noinline
func handleGrow(n int) byte {
	var b [256]byte
	b[n%256] = byte(n)
	if n == 0 {
		return b[0]
	}
	return handleGrow(n-1) + b[255]
}

func handleBegin(i int) {
	kept := make([]byte, 1024+i%4096)
	kept[0] = handleGrow(i % 60)
	time.Sleep(time.Millisecond)
	runtime.KeepAlive(kept)
}

func serveBegin() {
	for i := 0; ; i++ {
		for k := 0; k < 20; k++ {
			go handleBegin(i + k)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func beatBegin() {
	runtime.LockOSThread()
	for last := time.Now(); ; {
		time.Sleep(time.Millisecond)
		now := time.Now()
		pause := int64(now.Sub(last))
		last = now
		atomic.AddInt64(&beats, 1)
		if pause > atomic.LoadInt64(&worst) {
			atomic.StoreInt64(&worst, pause)
		}
		if pause > int64(2*time.Millisecond) {
			atomic.AddInt64(&late, pause)
		}
	}
}

func main() {
	pairs := flag.Int("pairs", 50, "of ping and pong")
	lockers := flag.Int("lockers", 20, "")
	sleepers := flag.Int("sleepers", 300, "")
	flag.Parse()
	for i := 0; i < *pairs; i++ {
		c := make(chan int)
		go pingBegin(c)
		go pongBegin(c)
	}
	for i := 0; i < *lockers; i++ {
		go lockBegin()
	}
	for i := 0; i < *sleepers; i++ {
		go sleepBegin(i)
	}
	go serveBegin()
	go beatBegin()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Printf("{\"beats\": %d, \"worst_ns\": %d, \"late_ns\": %d, \"goroutines\": %d}\n", atomic.SwapInt64(&beats, 0),
			atomic.SwapInt64(&worst, 0), atomic.SwapInt64(&late, 0), runtime.NumGoroutine())
	}
}
