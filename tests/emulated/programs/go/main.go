// SPDX-License-Identifier: Apache-2.0

// What tests/emulated/steps.c steps through, from main.main on: stacks that grow, large frames, goroutines that wait for
// each other, panics out of a signal handler, the runtime's own stack, the collector.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"time"
)

func init() { runtime.LockOSThread() }

//go:noinline
func down(n int) int {
	if n == 0 {
		return len(os.Args)
	}
	return down(n-1)*3 + n
}

// More than 32 KiB, which is where the offsets of unwind rows end.
//
//go:noinline
func large(n int) int {
	var a [4100]int
	a[n] = n
	return a[n/2] + down(3) + sum(a[:])
}

//go:noinline
func sum(a []int) int {
	s := 0
	for _, v := range a[:10] {
		s += v
	}
	return s
}

//go:noinline
func fails(p *int) (n int) {
	defer func() {
		if recover() != nil {
			n = down(2)
		}
	}()
	return *p
}

func talks() (s int) {
	c := make(chan int)
	go func() {
		for i := 0; i < 3; i++ {
			c <- down(i)
		}
		close(c)
	}()
	for v := range c {
		s += v
	}
	return s
}

func main() {
	s := talks() + large(7) + down(20) + fails(nil)
	a := []int{3, 1, 2, 9, 7}
	sort.Ints(a)
	t := time.Now()
	m := map[string]int{}
	for i := 0; i < 20; i++ {
		m[strings.Repeat("x", i)] = i
	}
	runtime.Gosched()
	s += down(600)
	runtime.GC()
	fmt.Fprintln(os.Stderr, s, len(m), a, time.Since(t) > 0)
}
