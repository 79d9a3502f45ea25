// SPDX-License-Identifier: Apache-2.0

// A program that fills its tables in the first seconds: goroutines, heap, threads and descriptors grow, and then they stand.
package main

import (
	"os"
	"time"
)

var x_table = map[int][]byte{}
var x_files []*os.File

func x_worker(in chan int) {
	for range in {
		x_count(1)
	}
}

//go:noinline
func x_load(n int, in chan int) {
	for i := 0; i < n; i++ {
		x_table[i] = make([]byte, 16<<10)
		x_table[i][0] = 1
		go x_worker(in)
		if i%20 == 0 {
			if f, err := os.Open("/dev/null"); err == nil {
				x_files = append(x_files, f)
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func main() {
	in := make(chan int)
	x_started()
	x_load(P_steps, in)
	for {
		in <- 1
		time.Sleep(20 * time.Millisecond)
	}
}
