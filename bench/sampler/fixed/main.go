// SPDX-License-Identifier: Apache-2.0

// The program that the sampler's benchmarks sample. A C function, three calls below Go and compiled without frame
// pointers, takes 70 % of the CPU time of one thread, a Go function 30 %, steered by the thread's own CPU clock.
//
//	fixed -seconds 10 -cpuprofile own.pb.gz   works for 10 s, writes Go's own profile, prints the true shares
//	fixed -rounds 2000                        a fixed amount of work, prints the CPU time it took
package main

/*
#cgo CFLAGS: -O2 -g
#include <time.h>

static __attribute__((noinline)) unsigned long decode_block(unsigned long x)
{
    for (int i = 0; i < 400000; i++)
        x = x * 6364136223846793005ul + 1442695040888963407ul;
    return x + 1;
}
static __attribute__((noinline)) unsigned long decode_frame(unsigned long x) { return decode_block(x) + 2; }
static __attribute__((noinline)) unsigned long decode(unsigned long x) { return decode_frame(x) + 3; }

static long long thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}
*/
import "C"

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

//go:noinline
func index(x uint64) uint64 {
	for i := 0; i < 400_000; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

//go:noinline
func transcode(x uint64) uint64 { return uint64(C.decode(C.ulong(x))) }

func main() {
	seconds := flag.Float64("seconds", 0, "work that long")
	rounds := flag.Int("rounds", 0, "or so many rounds")
	own := flag.String("cpuprofile", "", "where Go's own profile goes")
	flag.Parse()
	runtime.LockOSThread()
	if *own != "" {
		f, err := os.Create(*own)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Println("ready", os.Getpid())
	begin, end := int64(C.thread_ns()), time.Now().Add(time.Duration(*seconds*1e9))
	var inC, inGo int64
	x := uint64(1)
	for n := 0; n < *rounds || (*rounds == 0 && time.Now().Before(end)); n++ {
		t := int64(C.thread_ns())
		// A fixed amount of work must not depend on the clock.
		if (*rounds > 0 && n%10 < 7) || (*rounds == 0 && float64(inC) <= 0.7*float64(inC+inGo)) {
			x = transcode(x)
			inC += int64(C.thread_ns()) - t
		} else {
			x = index(x)
			inGo += int64(C.thread_ns()) - t
		}
	}
	all := int64(C.thread_ns()) - begin
	fmt.Printf("truth c=%.5f go=%.5f cpu_ns=%d x=%d\n", float64(inC)/float64(all), float64(inGo)/float64(all), all, x)
}
