// SPDX-License-Identifier: Apache-2.0

// Some threads sit in a C read; their number does not change.
package main

/*
#include <unistd.h>
static int xc_next(int fd)
{
    char c;
    return (int)read(fd, &c, 1);
}
*/
import "C"

import (
	"os"
	"time"
)

func x_reader(fd int) {
	for C.xc_next(C.int(fd)) == 1 {
		x_count(1)
	}
}

func main() {
	r, w, err := os.Pipe()
	if err != nil {
		os.Exit(1)
	}
	fd := int(r.Fd())
	for i := 0; i < P_threads; i++ {
		go x_reader(fd)
	}
	time.Sleep(100 * time.Millisecond)
	x_started()
	for range time.Tick(500 * time.Millisecond) {
		w.Write([]byte{1})
	}
}
