// SPDX-License-Identifier: Apache-2.0

// A C library, loaded at run time, starts threads of its own that burn CPU; Go only ticks.
package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

static int xc_load(const char *path, int threads, int named)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
        return 0;
    int (*begin)(int, int) = (int (*)(int, int))dlsym(library, "xc_begin");
    return begin && begin(threads, named);
}
*/
import "C"

import (
	"os"
	"path/filepath"
	"time"
)

func main() {
	self, _ := os.Executable()
	path := filepath.Join(filepath.Dir(self), "lib"+"p_lib"+".so")
	if C.xc_load(C.CString(path), P_threads, P_named) == 0 {
		os.Exit(1)
	}
	x_started()
	for range time.Tick(100 * time.Millisecond) {
		x_count(1)
	}
}
