// SPDX-License-Identifier: Apache-2.0

// A mapping of some megabytes is made, touched and undone in a loop.
package main

import "syscall"

//go:noinline
func x_scratch(size int) (sum int) {
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return 0
	}
	for i := 0; i < len(b); i += 4096 {
		b[i] = byte(i >> 12)
	}
	sum = int(b[4096])
	syscall.Munmap(b)
	return sum
}

func main() {
	x_started()
	for {
		x_scratch(P_mb << 20)
		x_count(1)
	}
}
