// SPDX-License-Identifier: Apache-2.0

// A Go library for C programs (-buildmode=c-shared), called by ../c/library_host.c.
//
// Truth: all its goroutines compute in burn below leaf; those that C waits for below GoWork, called by calls() in C.
package main

import "C"

import "sort"

//go:noinline
func burn(n int) uint64 {
	x := uint64(88172645463325252)
	for i := 0; i < n; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

//go:noinline
func leaf(n int) uint64 { return uint64(n)*3 + burn(n) }

//export GoWork
func GoWork(n C.int) C.long {
	done := make(chan uint64)
	go func() {
		row := make([]int, 1000)
		for i := range row {
			row[i] = i * 7919 % 1000
		}
		sort.Ints(row)
		done <- leaf(int(n))
	}()
	return C.long((leaf(int(n)) + <-done) & 7)
}

func main() {}
