// SPDX-License-Identifier: Apache-2.0

// A descriptor that does not block is read in a loop; it says EAGAIN nearly each time.
package main

import (
	"os"
	"syscall"
	"time"
)

type X_Source struct {
	fd  int
	buf [512]byte
}

//go:noinline
func (s *X_Source) X_Next() int {
	for {
		n, err := syscall.Read(s.fd, s.buf[:])
		if err == syscall.EAGAIN {
			continue
		}
		return n
	}
}

func x_pump(s *X_Source) {
	for s.X_Next() > 0 {
		x_count(1)
	}
}

func main() {
	var p [2]int
	if syscall.Pipe2(p[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC) != nil {
		os.Exit(1)
	}
	go x_pump(&X_Source{fd: p[0]})
	x_started()
	for {
		time.Sleep(P_ms * time.Millisecond)
		syscall.Write(p[1], []byte("one"))
	}
}
