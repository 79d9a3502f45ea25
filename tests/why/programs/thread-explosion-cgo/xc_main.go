// SPDX-License-Identifier: Apache-2.0

// A new goroutine every few milliseconds calls a C function that blocks and does not return.
package main

/*
#include <unistd.h>
#include <poll.h>

static int xc_await(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, -1);
}

static int xc_doze(int fd)
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

//go:noinline
func x_lookup(fd int) {
	if P_call == 1 {
		C.xc_await(C.int(fd))
	} else {
		C.xc_doze(C.int(fd))
	}
}

func main() {
	r, _, err := os.Pipe()
	if err != nil {
		os.Exit(1)
	}
	fd := int(r.Fd())
	x_started()
	for {
		go x_lookup(fd)
		x_count(1)
		time.Sleep(P_every * time.Millisecond)
	}
}
