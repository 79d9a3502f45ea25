// SPDX-License-Identifier: Apache-2.0

// A C library starts threads of its own that burn CPU; Go only ticks.
//
//	cgo-native-thread [-lib ./libpulse.so] [-threads N] [-named]
//
// Truth: native-thread-cpu; start routine pulse_worker, leaf pulse_mix, both in the library.
package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

static int start(const char *lib, int threads, int named)
{
    void *h = dlopen(lib, RTLD_NOW);
    if (!h)
        return 0;
    int (*pulse_start)(int, int) = (int (*)(int, int))dlsym(h, "pulse_start");
    return pulse_start && pulse_start(threads, named);
}
*/
import "C"

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	self, _ := os.Executable()
	lib := flag.String("lib", filepath.Join(filepath.Dir(self), "libpulse.so"), "the library")
	threads := flag.Int("threads", 1, "how many threads it starts")
	named := flag.Bool("named", false, "the threads give themselves a name")
	flag.Parse()
	n := 0
	if *named {
		n = 1
	}
	if C.start(C.CString(*lib), C.int(*threads), C.int(n)) == 0 {
		fmt.Fprintln(os.Stderr, "cannot start", *lib)
		os.Exit(1)
	}
	fmt.Println("ready", os.Getpid())
	for range time.Tick(100 * time.Millisecond) {
	}
}
