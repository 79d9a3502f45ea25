// SPDX-License-Identifier: Apache-2.0

// Goroutines that wait in Go while C is on their stacks.
//
// Truth: one goroutine stands in main.main, main.enter, C's c_level, main.goWait, main.waitForEver; one on a thread that C
// made, in c_thread, c_level, main.goWait, main.waitForEver; one in C that sleeps, below main.inC.
package main

/*
#include <pthread.h>
#include <time.h>

extern void goWait(int);

__attribute__((noinline)) static void c_level(int n)
{
	volatile int here = n;
	goWait(here);
	here++;
}

__attribute__((noinline)) static void *c_thread(void *p)
{
	c_level(2);
	return p;
}

static void c_start(void)
{
	pthread_t t;
	pthread_create(&t, 0, c_thread, 0);
}

static void c_sleep(void)
{
	struct timespec t = {1000, 0};
	nanosleep(&t, 0);
}
*/
import "C"

import (
	"fmt"
	"os"
	"time"
)

//export goWait
func goWait(n C.int) { waitForEver(int(n)) }

//go:noinline
func waitForEver(n int) { <-make(chan int, n) }

//go:noinline
func enter() { C.c_level(1) }

//go:noinline
func inC() { C.c_sleep() }

func main() {
	C.c_start()
	go inC()
	go func() {
		time.Sleep(100 * time.Millisecond)
		fmt.Println("ready", os.Getpid())
	}()
	enter()
}
