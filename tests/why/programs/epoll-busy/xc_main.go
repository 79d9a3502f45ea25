// SPDX-License-Identifier: Apache-2.0

// An event loop of its own; one descriptor is readable and nobody reads it, another does have work now and then.
package main

import (
	"os"
	"syscall"
	"time"
)

type X_Reactor struct {
	fd     int
	events [16]syscall.EpollEvent
	handle map[int32]func(int32)
}

func (r *X_Reactor) X_Add(fd int, f func(int32)) {
	r.handle[int32(fd)] = f
	syscall.EpollCtl(r.fd, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
}

//go:noinline
func (r *X_Reactor) X_Run() {
	for {
		n, err := syscall.EpollWait(r.fd, r.events[:], 1000)
		if err != nil && err != syscall.EINTR {
			return
		}
		for _, e := range r.events[:n] {
			if f := r.handle[e.Fd]; f != nil {
				f(e.Fd)
			}
		}
	}
}

func main() {
	fd, err := syscall.EpollCreate1(0)
	var a, b [2]int
	if err != nil || syscall.Pipe(a[:]) != nil || syscall.Pipe(b[:]) != nil {
		os.Exit(1)
	}
	r := &X_Reactor{fd: fd, handle: map[int32]func(int32){}}
	r.X_Add(a[0], func(fd int32) {
		var buf [64]byte
		syscall.Read(int(fd), buf[:])
		x_count(1)
	})
	r.X_Add(b[0], nil)
	go r.X_Run()
	x_started()
	if P_hup == 1 {
		syscall.Close(b[1])
	} else {
		syscall.Write(b[1], []byte("wake"))
	}
	for range time.Tick(100 * time.Millisecond) {
		syscall.Write(a[1], []byte{1})
	}
}
