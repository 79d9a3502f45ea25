// SPDX-License-Identifier: Apache-2.0

// A burst of blocking calls made many threads, which stay for ever.
package main

/*
#include <unistd.h>
static void xc_block(int ms) { usleep(ms * 1000); }
*/
import "C"

import (
	"sync"
	"time"
)

//go:noinline
func x_query(wg *sync.WaitGroup) {
	C.xc_block(400)
	wg.Done()
}

func main() {
	var wg sync.WaitGroup
	for i := 0; i < P_burst; i++ {
		wg.Add(1)
		go x_query(&wg)
	}
	wg.Wait()
	x_started()
	for range time.Tick(100 * time.Millisecond) {
		x_count(1)
	}
}
