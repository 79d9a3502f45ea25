// SPDX-License-Identifier: Apache-2.0

// A large file is mapped and read through: resident, but only page cache.
package main

import (
	"os"
	"syscall"
	"time"
)

type X_Base struct{ data []byte }

//go:noinline
func (b *X_Base) X_Warm() (sum int) {
	for i := 0; i < len(b.data); i += 4096 {
		sum += int(b.data[i])
	}
	return sum
}

func main() {
	f, err := os.Create("p_base.db")
	if err != nil {
		os.Exit(1)
	}
	block := make([]byte, 1<<20)
	for i := 0; i < P_mb; i++ {
		f.Write(block)
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, P_mb<<20, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		os.Exit(1)
	}
	b := &X_Base{data}
	x_count(int64(b.X_Warm()))
	x_started()
	for i := 0; ; i++ {
		time.Sleep(10 * time.Millisecond)
		x_count(1 + int64(b.data[i*4096%len(b.data)]))
	}
}
