// SPDX-License-Identifier: Apache-2.0

// Many threads used malloc at once for a while; each arena keeps what one last block holds fast. With P_used all blocks stay in use.
package main

/*
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *xc_batch(int blocks)
{
    void **all = malloc(sizeof(void *) * blocks);
    for (int i = 0; i < blocks; i++) {
        all[i] = malloc(2000);
        memset(all[i], i, 2000);
    }
    usleep(300000);
    for (int i = 0; i < blocks - 1 && !P_used; i++)
        free(all[i]);
    void *last = all[blocks - 1];
    if (!P_used)
        free(all);
    return P_used ? (void *)all : last;
}
*/
import "C"

import (
	"sync"
	"time"
	"unsafe"
)

var x_kept [P_threads]unsafe.Pointer

//go:noinline
func x_import(wg *sync.WaitGroup, i int) {
	x_kept[i] = C.xc_batch(P_blocks)
	wg.Done()
}

func main() {
	var wg sync.WaitGroup
	for i := 0; i < P_threads; i++ {
		wg.Add(1)
		go x_import(&wg, i)
	}
	wg.Wait()
	x_started()
	for range time.Tick(200 * time.Millisecond) {
		x_count(1)
	}
}
