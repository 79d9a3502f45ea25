// SPDX-License-Identifier: Apache-2.0

// Small writes, each with an fsync, in several goroutines.
package main

import (
	"fmt"
	"os"
)

type X_Journal struct{ f *os.File }

//go:noinline
func (j *X_Journal) X_Commit(entry []byte) {
	j.f.Write(entry)
	j.f.Sync()
}

func x_client(n int) {
	f, err := os.Create(fmt.Sprintf("p_journal%d.log", n))
	if err != nil {
		os.Exit(1)
	}
	j := &X_Journal{f}
	for i := 0; ; i++ {
		j.X_Commit([]byte(fmt.Sprintf("%d entry of %d\n", i, n)))
		if i%2000 == 0 {
			f.Seek(0, 0)
		}
		x_count(1)
	}
}

func main() {
	for i := 0; i < P_clients; i++ {
		go x_client(i)
	}
	x_started()
	select {}
}
