// SPDX-License-Identifier: Apache-2.0

// Objects: goroutines that wait on channels, locks, conditions, timers and sockets, of each kind an own number, in functions
// named after the kind. Says in one line of JSON where each object is and what is true of it, then waits for the end of its
// input. With an argument it is ended by SIGABRT instead, for a core.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

var (
	mu      sync.Mutex
	rw      sync.RWMutex
	rw2     sync.RWMutex
	wg      sync.WaitGroup
	condMu  sync.Mutex
	cond    = sync.NewCond(&condMu)
	forever = make(chan bool)
	keep    []interface{} // or the collector closes them
)

//go:noinline
func receiver(c chan int) { <-c; fmt.Print() }

//go:noinline
func sender(c chan [3]byte) { c <- [3]byte{}; fmt.Print() }

//go:noinline
func selector(in chan int, out chan string, done chan struct{}) {
	select {
	case <-done:
	case out <- "x":
	case v := <-in:
		fmt.Print(v)
	}
}

//go:noinline
func locker() { mu.Lock(); fmt.Print() }

//go:noinline
func reader() { rw.RLock(); fmt.Print() }

//go:noinline
func writer() { rw2.Lock(); fmt.Print() }

//go:noinline
func grouped() { wg.Wait(); fmt.Print() }

//go:noinline
func conditional() { condMu.Lock(); cond.Wait(); fmt.Print() }

//go:noinline
func sleeper(d time.Duration) { time.Sleep(d); fmt.Print() }

// It holds the mutex, and has the channel in hand.
//
//go:noinline
func holder(m *sync.Mutex, c chan int, held chan bool) {
	m.Lock()
	defer m.Unlock()
	held <- true
	<-forever
	fmt.Print(c)
}

//go:noinline
func acceptor(l net.Listener) { l.Accept(); fmt.Print() }

//go:noinline
func socketReader(c net.Conn) {
	var b [1]byte
	c.Read(b[:])
	fmt.Print()
}

//go:noinline
func socketWriter(c net.Conn) {
	c.Write(make([]byte, 64<<20))
	fmt.Print()
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pair() (net.Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	a, err := net.Dial("tcp", l.Addr().String())
	check(err)
	b, err := l.Accept()
	check(err)
	keep = append(keep, l, a, b)
	return a, b
}

func main() {
	in, full, out, done := make(chan int), make(chan [3]byte, 2), make(chan string), make(chan struct{})
	full <- [3]byte{}
	full <- [3]byte{}
	held := make(chan bool)
	go holder(&mu, in, held)
	<-held
	rw.Lock()
	rw2.RLock()
	wg.Add(3)
	for i := 0; i < 7; i++ {
		go receiver(in)
	}
	for i := 0; i < 6; i++ {
		go sender(full)
	}
	for i := 0; i < 5; i++ {
		go selector(in, out, done)
	}
	for i := 0; i < 4; i++ {
		go locker()
		go grouped()
	}
	for i := 0; i < 3; i++ {
		go reader()
		go conditional()
		go sleeper(time.Hour)
	}
	go writer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go acceptor(l)
	idle, _ := pair()
	stuck, other := pair()
	keep = append(keep, l, idle, stuck, other)
	go socketReader(idle)
	go socketWriter(stuck)
	for before := -1; ; { // until all of them wait
		time.Sleep(100 * time.Millisecond)
		runtime.Gosched()
		if n := runtime.NumGoroutine(); n == before {
			break
		} else {
			before = n
		}
	}
	address := func(p interface{}) string { return fmt.Sprintf("%p", p) }
	said, err := json.Marshal(map[string]interface{}{
		"pid": os.Getpid(), "go": runtime.Version(),
		"in": address(in), "full": address(full), "out": address(out), "done": address(done),
		"mu": address(&mu), "rw": address(&rw), "rw2": address(&rw2), "wg": address(&wg), "cond": address(cond),
		"listener": l.Addr().String(), "idle": idle.LocalAddr().String(), "stuck": stuck.LocalAddr().String(),
	})
	check(err)
	fmt.Println(string(said))
	if len(os.Args) > 1 {
		syscall.Kill(os.Getpid(), syscall.SIGABRT)
		select {}
	}
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(keep)
}
