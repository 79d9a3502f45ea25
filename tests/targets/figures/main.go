// SPDX-License-Identifier: Apache-2.0

// figures knows the figures of its own runtime, and is still while nobody asks. It reads a word a line, does as told, and
// answers with lines, the last of which is "done":
//
//	stats   its runtime.MemStats, as the text of a heap profile has them; nothing is allocated meanwhile
//	alloc   allocate a known mix: small, tiny, large, with pointers and without; some of it is dropped
//	gc      runtime.GC()
//	limits  "gogc N limit N goroutines N"; a limit that the release does not know is 0
//	load    goroutines that pass tokens and allocate, until the program ends
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

type node struct {
	next *node
	rest [5]uint64
}

var (
	memory runtime.MemStats
	text   = make([]byte, 0, 1<<16)
	word   [256]byte
	kept   *node
	large  [][]byte
	tiny   []*byte
	sink   []byte
)

func add(name string, v uint64) { text = append(strconv.AppendUint(append(text, name...), v, 10), '\n') }

func addRing(name string, ring *[256]uint64) {
	text = append(append(text, name...), '[')
	for i, v := range ring {
		if i > 0 {
			text = append(text, ' ')
		}
		text = strconv.AppendUint(text, v, 10)
	}
	text = append(text, "]\n"...)
}

func addPair(name string, a, b uint64) {
	text = strconv.AppendUint(append(text, name...), a, 10)
	text = append(strconv.AppendUint(append(text, " / "...), b, 10), '\n')
}

func stats() {
	s := &memory
	runtime.ReadMemStats(s)
	add("# Alloc = ", s.Alloc)
	add("# TotalAlloc = ", s.TotalAlloc)
	add("# Sys = ", s.Sys)
	add("# Lookups = ", s.Lookups)
	add("# Mallocs = ", s.Mallocs)
	add("# Frees = ", s.Frees)
	add("# HeapAlloc = ", s.HeapAlloc)
	add("# HeapSys = ", s.HeapSys)
	add("# HeapIdle = ", s.HeapIdle)
	add("# HeapInuse = ", s.HeapInuse)
	add("# HeapReleased = ", s.HeapReleased)
	add("# HeapObjects = ", s.HeapObjects)
	addPair("# Stack = ", s.StackInuse, s.StackSys)
	addPair("# MSpan = ", s.MSpanInuse, s.MSpanSys)
	addPair("# MCache = ", s.MCacheInuse, s.MCacheSys)
	add("# BuckHashSys = ", s.BuckHashSys)
	add("# GCSys = ", s.GCSys)
	add("# OtherSys = ", s.OtherSys)
	add("# NextGC = ", s.NextGC)
	add("# LastGC = ", s.LastGC)
	addRing("# PauseNs = ", &s.PauseNs)
	addRing("# PauseEnd = ", &s.PauseEnd)
	add("# NumGC = ", uint64(s.NumGC))
	add("# NumForcedGC = ", uint64(s.NumForcedGC))
	text = strconv.AppendFloat(append(text, "# GCCPUFraction = "...), s.GCCPUFraction, 'g', -1, 64)
	text = append(text, "\n# DebugGC = false\n"...)
}

func alloc() {
	for i := 0; i < 777; i++ {
		kept = &node{next: kept}
		sink = make([]byte, 100+i)
		b := byte(i)
		tiny = append(tiny, &b)
	}
	large = append(large, make([]byte, 300000), make([]byte, 40000))
	if len(large) > 8 {
		large, tiny, kept = nil, nil, nil
	}
}

func pass(from, to chan int) {
	for v := range from {
		sink = make([]byte, 2000)
		to <- v
	}
}

func load() {
	for i := 0; i < 8; i++ {
		a, b := make(chan int), make(chan int)
		go pass(a, b)
		go pass(b, a)
		a <- i
	}
	go func() {
		for range time.Tick(time.Millisecond) {
			alloc()
		}
	}()
}

func obey(command string) {
	switch command {
	case "stats":
		stats()
	case "alloc":
		alloc()
	case "gc":
		runtime.GC()
	case "limits":
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		text = append(text, "gogc "...)
		text = strconv.AppendInt(text, int64(percent), 10)
		text = append(text, " limit "...)
		text = strconv.AppendInt(text, memoryLimit(), 10)
		add(" goroutines ", uint64(runtime.NumGoroutine()))
	case "load":
		load()
	}
}

// The reads and writes are system calls of their own: package os would allocate, and netpoll wake threads.
func main() {
	never := make(chan int)
	for i := 0; i < 5; i++ {
		go func() { <-never }()
	}
	locked := make(chan int)
	go func() {
		runtime.LockOSThread()
		close(locked)
		<-never
	}()
	<-locked
	time.AfterFunc(time.Hour, func() {})
	for {
		n, err := syscall.Read(0, word[:])
		if n <= 0 || err != nil {
			os.Exit(0)
		}
		text = text[:0]
		for from, i := 0, 0; i < n; i++ {
			if word[i] == '\n' {
				obey(string(word[from:i]))
				from = i + 1
			}
		}
		text = append(text, "done\n"...)
		for at := 0; at < len(text); {
			n, err := syscall.Write(1, text[at:])
			if err != nil {
				os.Exit(1)
			}
			at += n
		}
	}
}
