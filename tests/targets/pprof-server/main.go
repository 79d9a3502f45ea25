// SPDX-License-Identifier: Apache-2.0

// A server with Go's profile handlers, and something of each kind to profile: main.burn on CPU, main.keep on the heap,
// main.fight for a mutex. It prints its address, and ends when its standard input does.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"sync"
	"time"
)

var (
	kept [][]byte
	lock sync.Mutex
	sum  int
)

//go:noinline
func burn() {
	for i := 0; ; i++ {
		sum += i * i % 7
		if i%1000000 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

//go:noinline
func keep() {
	for len(kept) < 1000 {
		kept = append(kept, make([]byte, 10000))
		if len(kept) >= 500 {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

//go:noinline
func fight() {
	for {
		lock.Lock()
		time.Sleep(time.Millisecond)
		lock.Unlock()
	}
}

func main() {
	runtime.MemProfileRate = 4096
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go burn()
	go keep()
	go fight()
	go fight()
	go http.Serve(listener, nil)
	time.Sleep(200 * time.Millisecond)
	fmt.Println(listener.Addr())
	io.Copy(io.Discard, os.Stdin)
}
