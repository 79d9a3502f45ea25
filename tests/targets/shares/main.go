// SPDX-License-Identifier: Apache-2.0

// A C function takes 70 % of the CPU time of one thread, a Go function 30 %, steered by the thread's own CPU clock.
// Each second prints the truth so far: "truth c=0.7001 go=0.2999".
//
// Truth: as printed; C leaf heavy_c below main.viaC, Go leaf main.heavyGo.
package main

/*
#cgo CFLAGS: -O2
#include <time.h>

static __attribute__((noinline)) unsigned long heavy_c(unsigned long x)
{
    for (int i = 0; i < 400000; i++)
        x = x * 6364136223846793005ul + 1442695040888963407ul;
    return x;
}

static long long thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
)

//go:noinline
func heavyGo(x uint64) uint64 {
	for i := 0; i < 400_000; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func viaC(x uint64) uint64 { return uint64(C.heavy_c(C.ulong(x))) }

func main() {
	runtime.LockOSThread()
	fmt.Println("ready", os.Getpid())
	var inC, inGo, said int64
	for x := uint64(1); ; {
		t := int64(C.thread_ns())
		if float64(inC) <= 0.7*float64(inC+inGo) {
			x = viaC(x)
			inC += int64(C.thread_ns()) - t
		} else {
			x = heavyGo(x)
			inGo += int64(C.thread_ns()) - t
		}
		if all := inC + inGo; all/1e9 != said {
			said = all / 1e9
			fmt.Printf("truth c=%.4f go=%.4f\n", float64(inC)/float64(all), float64(inGo)/float64(all))
		}
	}
}
