// SPDX-License-Identifier: Apache-2.0

// Go four deep, C three deep, then a loop, C at -O2 without frame pointers.
//
// Truth: every sample of the loop has the stack main.main main.one main.two main.three main.four (main._Cfunc_c_one
// runtime.cgocall …) c_one c_two c_three c_burn.
package main

/*
#cgo CFLAGS: -O2 -fomit-frame-pointer
#include "deep.h"
*/
import "C"

import (
	"fmt"
	"os"
)

//go:noinline
func four(n int) int { return int(C.c_one(C.long(n))) + 1 }

//go:noinline
func three(n int) int { return four(n) + 1 }

//go:noinline
func two(n int) int { return three(n) + 1 }

//go:noinline
func one(n int) int { return two(n) + 1 }

func main() {
	fmt.Println("ready", os.Getpid())
	for {
		one(100_000_000)
	}
}
