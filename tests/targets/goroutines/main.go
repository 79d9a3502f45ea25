// SPDX-License-Identifier: Apache-2.0

// Goroutines of known number, state, place, creator and labels.
//
// Truth, by function (all made by main.start unless said otherwise):
//
//	main.waitReceive    100 wait in <-c; 40 of them have the label tenant=red, 20 tenant=blue and route=/a
//	main.waitSend        30 wait in c <-, made by main.startSenders
//	main.waitSelect      20 wait in select
//	main.waitMutex       10 wait for a sync.Mutex
//	main.waitSleep        5 sleep for an hour
//	main.waitAccept       2 wait for connections
//	main.waitLocked       3 wait in <-c, locked to their threads
//	main.deep             8 wait in <-c under 0 … 7 calls of main.deep; main.bottom 1 under 300 calls of main.down
//	main.spin             N run (-spin N, 0)
//	main.waitGroup        1 waits for a sync.WaitGroup in a method value, through an interface and inlined calls
//
// Commands on standard input, each answered by a line: "count" NumGoroutine; "debug1 FILE" and "debug2 FILE" write what
// net/http/pprof prints; "gc" collects; "grow N" starts N more of main.waitReceive; "shrink" ends those.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

var (
	never = make(chan int)
	full  = make(chan int)
	more  = make(chan int)
	mu    sync.Mutex
	wg    sync.WaitGroup
	spins int
)

//go:noinline
func waitReceive(c chan int) { <-c }

//go:noinline
func waitSend(c chan int) { c <- 1 }

//go:noinline
func waitSelect(a, b chan int) {
	select {
	case <-a:
	case b <- 1:
	}
}

//go:noinline
func waitMutex() {
	mu.Lock()
	defer mu.Unlock()
}

//go:noinline
func waitSleep() { time.Sleep(time.Hour) }

//go:noinline
func waitAccept(l net.Listener) { l.Accept() }

//go:noinline
func waitLocked() {
	runtime.LockOSThread()
	<-never
}

//go:noinline
func deep(n int) int {
	if n == 0 {
		return <-never
	}
	return deep(n-1) + 1
}

//go:noinline
func down(n int) int {
	if n == 0 {
		return bottom()
	}
	return down(n-1) + 1
}

//go:noinline
func bottom() int { return <-never }

//go:noinline
func spin() {
	for i := 0; ; i++ {
		spins += i & 1
	}
}

type waiter interface{ wait() }

type group struct{ wg *sync.WaitGroup }

// One level inlined, one by a wrapper: *group has the method of group.
func (g group) wait() { g.inlined() }

func (g group) inlined() { g.again() }

func (g group) again() { g.wg.Wait() }

//go:noinline
func waitGroup(w waiter) { w.wait() }

//go:noinline
func startSenders() {
	for i := 0; i < 30; i++ {
		go waitSend(full)
	}
}

//go:noinline
func start() {
	for i := 0; i < 100; i++ {
		switch {
		case i < 40:
			pprof.Do(context.Background(), pprof.Labels("tenant", "red"), func(context.Context) { go waitReceive(never) })
		case i < 60:
			pprof.Do(context.Background(), pprof.Labels("tenant", "blue", "route", "/a"),
				func(context.Context) { go waitReceive(never) })
		default:
			go waitReceive(never)
		}
	}
	for i := 0; i < 20; i++ {
		go waitSelect(never, full2)
	}
	mu.Lock()
	for i := 0; i < 10; i++ {
		go waitMutex()
	}
	for i := 0; i < 5; i++ {
		go waitSleep()
	}
	for i := 0; i < 2; i++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		go waitAccept(l)
	}
	for i := 0; i < 3; i++ {
		go waitLocked()
	}
	for i := 0; i < 8; i++ {
		go deep(i)
	}
	go down(300)
	wg.Add(1)
	go waitGroup(&group{&wg})
}

var full2 = make(chan int)

func write(name string, debug int) {
	f, err := os.Create(name)
	if err == nil {
		err = pprof.Lookup("goroutine").WriteTo(f, debug)
		f.Close()
	}
	if err != nil {
		fmt.Println("error", err)
		return
	}
	fmt.Println("written")
}

func main() {
	nspin := flag.Int("spin", 0, "goroutines that run")
	flag.Parse()
	start()
	startSenders()
	for i := 0; i < *nspin; i++ {
		go spin()
	}
	time.Sleep(300 * time.Millisecond)
	fmt.Println("ready", os.Getpid(), runtime.NumGoroutine(), runtime.Version())
	grown := 0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		word := strings.Fields(in.Text())
		switch word[0] {
		case "count":
			fmt.Println("count", runtime.NumGoroutine())
		case "debug1":
			write(word[1], 1)
		case "debug2":
			write(word[1], 2)
		case "gc":
			runtime.GC()
			fmt.Println("collected")
		case "grow":
			n := 0
			fmt.Sscan(word[1], &n)
			for i := 0; i < n; i++ {
				go waitReceive(more)
			}
			grown += n
			time.Sleep(100 * time.Millisecond)
			fmt.Println("grown", grown)
		case "shrink":
			for ; grown > 0; grown-- {
				more <- 1
			}
			time.Sleep(100 * time.Millisecond)
			fmt.Println("shrunk")
		}
	}
}
