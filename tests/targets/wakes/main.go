// SPDX-License-Identifier: Apache-2.0
//
// Who wakes threads? Usage: wakes pair|feeder|mix SECONDS
//
//	pair    two goroutines hand a value to and fro on unbuffered channels: all wake-ups come from main.handOff and main.recvSide
//	feeder  every 200 us, by a ticker, main.feed gives work to eight consumers: the ticker, or main.feed
//	mix     a mutex, a channel, sleeps, a loopback connection, work and blocking system calls: timers, sysmon and code
//
// Prints "ready PID", and at the end what it has done: "done handoffs=N fed=N".
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var handoffs, fed atomic.Int64

//go:noinline
func handOff(there, back chan int, until time.Time) {
	for i := 0; ; i++ {
		there <- i
		<-back
		handoffs.Add(1)
		if i&1023 == 0 && time.Now().After(until) {
			close(there)
			return
		}
	}
}

//go:noinline
func recvSide(there, back chan int) {
	for v := range there {
		back <- v
	}
}

func pair(until time.Time) {
	there, back := make(chan int), make(chan int)
	go recvSide(there, back)
	handOff(there, back, until)
}

//go:noinline
func feed(work []chan int, until time.Time) {
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for time.Now().Before(until) {
		<-tick.C
		for i := range work {
			work[i] <- i
		}
		fed.Add(1)
	}
}

//go:noinline
func consume(work chan int) {
	for range work {
		for begin := time.Now(); time.Since(begin) < 3*time.Microsecond; {
		}
	}
}

func feeder(until time.Time) {
	work := make([]chan int, 8)
	for i := range work {
		work[i] = make(chan int)
		go consume(work[i])
	}
	feed(work, until)
}

func lockAndSleep(mu *sync.Mutex, until time.Time) {
	for time.Now().Before(until) {
		mu.Lock()
		time.Sleep(3 * time.Millisecond)
		mu.Unlock()
	}
}

func blockInKernel(until time.Time) {
	for time.Now().Before(until) {
		nap := syscall.Timespec{Nsec: 1e6}
		syscall.Nanosleep(&nap, nil)
	}
}

func workAndSleep(until time.Time) {
	for begin := time.Now(); begin.Before(until); begin = time.Now() {
		for time.Since(begin) < 500*time.Microsecond {
		}
		time.Sleep(time.Millisecond)
	}
}

func echo(l net.Listener) {
	c, err := l.Accept()
	if err != nil {
		return
	}
	b := make([]byte, 16)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		c.Write(b[:n])
	}
}

func ask(address string, until time.Time) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	b := make([]byte, 16)
	for time.Now().Before(until) {
		c.Write(b)
		c.Read(b)
		time.Sleep(10 * time.Millisecond)
	}
	c.Close()
}

func mix(until time.Time) {
	var mu sync.Mutex
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go lockAndSleep(&mu, until)
	go lockAndSleep(&mu, until)
	for i := 0; i < 4; i++ {
		go blockInKernel(until)
		go workAndSleep(until)
	}
	go echo(l)
	ask(l.Addr().String(), until)
}

func main() {
	seconds, err := strconv.ParseFloat(os.Args[2], 64)
	if err != nil {
		fmt.Println(err)
		os.Exit(2)
	}
	runtime.GOMAXPROCS(2)
	fmt.Println("ready", os.Getpid())
	until := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	switch os.Args[1] {
	case "pair":
		pair(until)
	case "feeder":
		feeder(until)
	case "mix":
		mix(until)
	}
	fmt.Printf("done handoffs=%d fed=%d\n", handoffs.Load(), fed.Load())
}
