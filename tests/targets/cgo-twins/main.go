// SPDX-License-Identifier: Apache-2.0

// Healthy programs with cgo, one a name: `cgo-twins cgo-light` (2000 short C calls a second) and `cgo-twins
// threads-bounded` (16 threads blocked in read, their number constant). `osprey why` must find nothing wrong.
package main

/*
#include <unistd.h>

static int block(int fd)
{
    char c;
    return (int)read(fd, &c, 1);
}

static unsigned hash(unsigned x)
{
    for (int i = 0; i < 1000; i++)
        x = x * 1103515245u + 12345u;
    return x;
}
*/
import "C"

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

func main() {
	name := ""
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	switch name {
	case "cgo-light":
		fmt.Println("ready", os.Getpid())
		for x := C.uint(1); ; time.Sleep(10 * time.Millisecond) {
			for i := 0; i < 20; i++ {
				x = C.hash(x)
			}
		}
	case "threads-bounded":
		var p [2]int
		if syscall.Pipe(p[:]) != nil {
			os.Exit(1)
		}
		for i := 0; i < 16; i++ {
			go func() { C.block(C.int(p[0])) }()
		}
		time.Sleep(100 * time.Millisecond)
		fmt.Println("ready", os.Getpid())
		for range time.Tick(time.Second) {
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: cgo-twins cgo-light|threads-bounded")
		os.Exit(2)
	}
}
