// SPDX-License-Identifier: Apache-2.0

// What tests/emulated/steps.c steps through, from main.main on: Go calls C, which calls Go, three deep; a panic through C.
package main

/*
extern int goBack(int);

static int __attribute__((noinline)) deep(int n)
{
    volatile int keep = n;
    return n ? deep(n - 1) + keep : 1;
}

static int __attribute__((noinline)) callGo(int n)
{
    return deep(3) + goBack(n) + deep(2);
}
*/
import "C"

import "runtime"

func init() { runtime.LockOSThread() }

//export goBack
func goBack(n C.int) C.int {
	if n == 0 {
		return C.int(down(4))
	}
	if n == 100 {
		panic("through C")
	}
	return C.callGo(n-1) + 1
}

//go:noinline
func down(n int) int {
	if n == 0 {
		return 1
	}
	return down(n-1) + n
}

//go:noinline
func throwing() (n int) {
	defer func() {
		if recover() != nil {
			n = down(3) + int(C.callGo(0))
		}
	}()
	return int(C.callGo(100))
}

func main() {
	println(int(C.callGo(3)), throwing(), int(C.callGo(1)))
}
