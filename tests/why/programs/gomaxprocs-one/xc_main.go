// SPDX-License-Identifier: Apache-2.0

// Many goroutines want to compute; the program allows itself one processor, or is allowed no more.
package main

import (
	"os"
	"runtime"
	"sort"
)

//go:noinline
func x_rank(seed, n int) int {
	v := make([]int, n)
	for i := range v {
		seed = seed*1103515245 + 12345
		v[i] = seed & 0xffffff
	}
	sort.Ints(v)
	return v[n/2]
}

func x_worker(id int) {
	for i := 0; ; i++ {
		x_rank(id+i, P_items)
		x_count(1)
	}
}

func main() {
	if os.Getenv("FREE") == "" {
		runtime.GOMAXPROCS(1)
	}
	for i := 0; i < P_workers; i++ {
		go x_worker(i)
	}
	x_started()
	select {}
}
