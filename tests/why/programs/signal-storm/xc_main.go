// SPDX-License-Identifier: Apache-2.0

// The process sends signals to itself in a loop and has a fast interval timer; os/signal listens.
package main

import (
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"unsafe"
)

type x_interval struct{ every, first syscall.Timeval }

//go:noinline
func x_nudge(pid int) {
	for {
		syscall.Kill(pid, syscall.SIGUSR1)
	}
}

func x_outside() {
	exec.Command("sh", "-c", "while kill -USR1 "+strconv.Itoa(os.Getpid())+"; do :; done").Run()
}

func main() {
	got := make(chan os.Signal, 64)
	signal.Notify(got, syscall.SIGUSR1, syscall.SIGALRM)
	if P_outside == 1 {
		go x_outside()
	} else {
		go x_nudge(os.Getpid())
		v := syscall.NsecToTimeval(P_us * 1000)
		t := x_interval{v, v}
		syscall.Syscall(syscall.SYS_SETITIMER, 0, uintptr(unsafe.Pointer(&t)), 0)
	}
	x_started()
	for range got {
		x_count(1)
	}
}
