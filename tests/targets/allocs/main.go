// SPDX-License-Identifier: Apache-2.0

// Allocates at a known ratio: three of four bytes in main.large, one in main.small.
package main

import (
	"fmt"
	"os"
	"time"
)

var kept [64][]byte

//go:noinline
func large(i int) { kept[i%32] = make([]byte, 24<<10) }

//go:noinline
func small(i int) { kept[32+i%32] = make([]byte, 256) }

func main() {
	fmt.Println("ready", os.Getpid())
	for i := 0; ; i++ {
		large(i)
		for k := 0; k < 32; k++ {
			small(k)
		}
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}
