// SPDX-License-Identifier: Apache-2.0

// C calls back into Go, which calls C again, three levels deep; the innermost C burns.
//
// Truth: stack main.main main.enter (c_level main.goLevel main.enter) x2 … c_level main.goLevel main.burn c_burn: three
// frames each of c_level and main.goLevel in every sample of c_burn.
package main

/*
#cgo CFLAGS: -O2 -fomit-frame-pointer
#include "level.h"
*/
import "C"

import (
	"fmt"
	"os"
)

//export goLevel
func goLevel(depth C.int) C.long {
	if depth > 1 {
		return enter(depth-1) + 1
	}
	return burn()
}

//go:noinline
func burn() C.long { return C.c_burn(50_000_000) + 1 }

//go:noinline
func enter(depth C.int) C.long { return C.c_level(depth) + 1 }

func main() {
	fmt.Println("ready", os.Getpid())
	for {
		enter(3)
	}
}
