// SPDX-License-Identifier: Apache-2.0

// resident keeps what it is told to keep and knows it: goroutines that wait, threads that are locked to goroutines, bytes on
// the heap, collections done, work for a share of a CPU. For each line that it reads it prints what its own runtime says, as
// words "name value" on one line, without allocating.
package main

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"time"
)

var (
	goroutines = flag.Int("goroutines", 10, "how many wait on a channel")
	threads    = flag.Int("threads", 0, "how many of a thread's own wait in nanosleep")
	heap       = flag.Int("heap", 0, "MB that stay on the heap")
	gcs        = flag.Int("gcs", 0, "collections at the start")
	grow       = flag.Int("grow", 0, "how many more come to wait each second")
	burn       = flag.Bool("burn", false, "use a CPU")
)

var (
	kept  [][]byte
	sink  uint64
	never = make(chan int)
)

func wait(ready chan<- bool) {
	ready <- true
	<-never
}

func sleep(ready chan<- bool) {
	runtime.LockOSThread()
	ready <- true
	nanosleep(1 << 30)
}

func work() {
	for {
		sink++
	}
}

func say(line []byte, stats *runtime.MemStats) []byte {
	add := func(name string, v uint64) {
		line = append(line, name...)
		line = strconv.AppendUint(line, v, 10)
	}
	runtime.ReadMemStats(stats)
	line = append(line[:0], "version "...)
	line = append(line, runtime.Version()...)
	add(" goroutines ", uint64(runtime.NumGoroutine()))
	add(" heap_inuse ", stats.HeapInuse)
	add(" stack_inuse ", stats.StackInuse)
	add(" gcs ", uint64(stats.NumGC))
	add(" gc_cpu_ppm ", uint64(stats.GCCPUFraction*1e6))
	return append(line, '\n')
}

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(2)
	ready := make(chan bool)
	for i := 0; i < *goroutines; i++ {
		go wait(ready)
		<-ready
	}
	for i := 0; i < *threads; i++ {
		go sleep(ready)
		<-ready
	}
	for i := 0; i < *heap; i++ {
		kept = append(kept, make([]byte, 1<<20))
		for k := 0; k < 1<<20; k += 4096 {
			kept[i][k] = 1
		}
	}
	for i := 0; i < *gcs; i++ {
		runtime.GC()
	}
	if *grow > 0 {
		go func() {
			for {
				go wait(ready)
				<-ready
				time.Sleep(time.Second / time.Duration(*grow))
			}
		}()
	}
	if *burn {
		go work()
	}
	time.Sleep(time.Millisecond) // so that what the runtime starts by itself has begun
	var in [1]byte
	stats := new(runtime.MemStats)
	line := make([]byte, 0, 512)
	line = say(line, stats)
	for {
		if n, _ := os.Stdin.Read(in[:]); n == 0 {
			return
		}
		if in[0] == '\n' {
			line = say(line, stats)
			os.Stdout.Write(line)
		}
	}
}
