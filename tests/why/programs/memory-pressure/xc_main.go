// SPDX-License-Identifier: Apache-2.0

// A mapped file is larger than the memory that the control group allows; its pages are read again and again.
package main

import (
	"os"
	"syscall"
)

type X_Table struct{ data []byte }

//go:noinline
func (t *X_Table) X_Scan() (sum int) {
	for i := 0; i < len(t.data); i += 4096 {
		sum += int(t.data[i])
	}
	return sum
}

func main() {
	f, err := os.Create("p_table.dat")
	if err != nil {
		os.Exit(1)
	}
	block := make([]byte, 1<<20)
	for i := 0; i < P_mb; i++ {
		f.Write(block)
	}
	f.Sync()
	data, err := syscall.Mmap(int(f.Fd()), 0, P_mb<<20, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		os.Exit(1)
	}
	syscall.Madvise(data, syscall.MADV_RANDOM)
	t := &X_Table{data}
	x_started()
	for {
		t.X_Scan()
		x_count(1)
	}
}
