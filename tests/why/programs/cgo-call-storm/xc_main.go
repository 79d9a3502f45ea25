// SPDX-License-Identifier: Apache-2.0

// A hot Go loop calls a C function of a few nanoseconds, millions of times a second.
package main

/*
static unsigned xc_step(unsigned x) { return x * 1103515245u + 12345u; }
*/
import "C"

//go:noinline
func x_checksum(data []byte) uint32 {
	x := C.uint(1)
	for _, b := range data {
		x = C.xc_step(x ^ C.uint(b))
	}
	return uint32(x)
}

func main() {
	data := make([]byte, P_bytes)
	x_started()
	for i := 0; ; i++ {
		data[i%len(data)] = byte(x_checksum(data))
		x_count(1)
	}
}
