// SPDX-License-Identifier: Apache-2.0

// A large block without pointers, and nothing to do.
package main

import "time"

var x_data []byte

func main() {
	x_data = make([]byte, P_mb<<20)
	for k := 0; k < len(x_data); k += 4096 {
		x_data[k] = 1
	}
	x_started()
	for i := 0; ; i++ {
		time.Sleep(time.Second)
		x_count(int64(x_data[i%len(x_data)]))
	}
}
