// SPDX-License-Identifier: Apache-2.0

// Writes, or reads, of one byte without a buffer.
package main

import (
	"os"
	"strconv"
)

type X_Writer struct{ f *os.File }

//go:noinline
func (w *X_Writer) X_Emit(line string) {
	for i := 0; i < len(line); i++ {
		w.f.Write([]byte{line[i]})
	}
}

//go:noinline
func x_skim(f *os.File) (sum int) {
	var b [1]byte
	for {
		n, err := f.Read(b[:])
		if n == 0 || err != nil {
			return sum
		}
		sum += int(b[0])
	}
}

func main() {
	f, err := os.Create("p_out.dat")
	if err != nil {
		os.Exit(1)
	}
	f.Write(make([]byte, 1<<16))
	w := &X_Writer{f}
	x_started()
	for i := 0; ; i++ {
		f.Seek(0, 0)
		if P_reads == 1 {
			x_skim(f)
		} else {
			for k := 0; k < 1000; k++ {
				w.X_Emit("P_text " + strconv.Itoa(k) + "\n")
			}
		}
		x_count(1)
	}
}
