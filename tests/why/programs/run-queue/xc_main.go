// SPDX-License-Identifier: Apache-2.0

// Far more goroutines compute than there are processors; short requests wait behind them.
package main

import (
	"hash/crc32"
	"time"
)

//go:noinline
func x_archive(block []byte, rounds int) (sum uint32) {
	for i := 0; i < rounds; i++ {
		sum = crc32.Update(sum, crc32.IEEETable, block)
		for k := 0; k < len(block); k += 8 {
			block[k] = byte(sum) ^ block[len(block)-1-k]
		}
	}
	return sum
}

func x_worker() {
	block := make([]byte, 1<<16)
	for {
		x_archive(block, 2000)
	}
}

//go:noinline
func x_request() {
	time.Sleep(5 * time.Millisecond)
	x_count(1)
}

func main() {
	for i := 0; i < P_workers; i++ {
		go x_worker()
	}
	x_started()
	for {
		x_request()
	}
}
