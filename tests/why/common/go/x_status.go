// SPDX-License-Identifier: Apache-2.0

// What every program of the matrix says of itself: `ready PID` once, then a line each half second with what it has done.
// With STATUS=full the line has the runtime's own figures too, by which the matrix proves that the fault is there.
// Beside it runs what any program has: a few goroutines with little to do.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var x_units int64

func x_count(n int64) { atomic.AddInt64(&x_units, n) }

type x_board struct {
	mu   sync.Mutex
	seen map[string]float64
}

func (b *x_board) x_set(name string, v float64) {
	b.mu.Lock()
	b.seen[name] = v
	b.mu.Unlock()
}

func (b *x_board) x_prune() {
	for range time.Tick(400 * time.Millisecond) {
		b.mu.Lock()
		for name := range b.seen {
			if len(b.seen) > 8 {
				delete(b.seen, name)
			}
		}
		b.mu.Unlock()
	}
}

func x_started() {
	b := &x_board{seen: map[string]float64{}}
	figures := make(chan float64, 4)
	go b.x_prune()
	go func() {
		for v := range figures {
			b.x_set(fmt.Sprint("load", int(v)%16), v)
		}
	}()
	go func() {
		for i := 0; ; i++ {
			time.Sleep(60 * time.Millisecond)
			figures <- float64(i)
		}
	}()
	fmt.Println("ready", os.Getpid())
	go x_tell(os.Getenv("STATUS") == "full")
}

func x_tell(full bool) {
	var m runtime.MemStats
	for {
		time.Sleep(500 * time.Millisecond)
		line := fmt.Sprintf("units=%d", atomic.LoadInt64(&x_units))
		if full {
			runtime.ReadMemStats(&m)
			line += fmt.Sprintf(" goroutines=%d gcs=%d forced=%d gccpu=%f heap=%d allocated=%d mallocs=%d held=%d idle=%d stacks=%d cgo=%d",
				runtime.NumGoroutine(), m.NumGC, m.NumForcedGC, m.GCCPUFraction, m.HeapAlloc, m.TotalAlloc, m.Mallocs,
				m.Sys-m.HeapReleased, m.HeapIdle-m.HeapReleased, m.StackInuse, runtime.NumCgoCall())
		}
		fmt.Println(line)
	}
}
