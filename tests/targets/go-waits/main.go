// SPDX-License-Identifier: Apache-2.0

// Goroutines that wait: one inside a system call that the runtime does not see (a raw nanosleep), one in a blocking
// read of a pipe, one on a channel, one on a timer. go-waits SECONDS; at the end it says how long the first two waited
// around their calls: truth rawSleep=NS least=NS, truth rawRead=NS. The Ms that have nothing to do are idle.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

//go:noinline
func rawSleep(until time.Time, told chan<- string) {
	var waited, least time.Duration
	for time.Now().Before(until) {
		begun := time.Now()
		syscall.Nanosleep(&syscall.Timespec{Nsec: 3e6}, nil)
		waited += time.Since(begun)
		least += 3 * time.Millisecond
	}
	told <- fmt.Sprintf("truth rawSleep=%d least=%d", waited, least)
}

//go:noinline
func rawRead(fd int, until time.Time, told chan<- string) {
	var waited time.Duration
	one := make([]byte, 1)
	for time.Now().Before(until) {
		begun := time.Now()
		syscall.Read(fd, one)
		waited += time.Since(begun)
	}
	told <- fmt.Sprintf("truth rawRead=%d", waited)
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[1], 64)
	if err != nil {
		panic(err)
	}
	until := time.Now().Add(time.Duration(seconds * 1e9))
	told, balls := make(chan string), make(chan int)
	fd := make([]int, 2)
	if err := syscall.Pipe(fd); err != nil {
		panic(err)
	}
	go rawSleep(until, told)
	go rawRead(fd[0], until, told)
	go func() {
		for range balls {
		}
	}()
	fmt.Println("ready")
	for time.Now().Before(until) {
		time.Sleep(5 * time.Millisecond)
		balls <- 1
		syscall.Write(fd[1], []byte{1})
	}
	syscall.Write(fd[1], []byte{1})
	fmt.Println(<-told)
	fmt.Println(<-told)
}
