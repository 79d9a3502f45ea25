// SPDX-License-Identifier: Apache-2.0

// Goroutines wait in every way there is, and each measures by its own clock for how long.
//
// Truth: for each line on its standard input it prints "now NS", then for each goroutine "g KIND GOID NS": the time that
// it has spent in main.waitKIND so far, the present wait included; then "end". Each goroutine has the pprof label op=KIND.
//
//	-parked N   N more goroutines that wait for ever, in main.parked
//	-deep N     they wait N calls deep
//	-ring N     N more that hand a token on, as fast as they can
//	-shrink     the collector runs all the time and shrinks the stacks of goroutines that wait
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/ioutil"
	"math/rand"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type waiter struct {
	kind  string
	goid  int64
	since int64 // start of the present wait, 0: none
	total int64
	mu    sync.Mutex
}

var (
	begin   = time.Now()
	waiters []*waiter
	known   sync.Mutex
)

func now() int64 { return int64(time.Since(begin)) + 1 }

func goid() int64 {
	buf := make([]byte, 64)
	id, err := strconv.ParseInt(string(bytes.Fields(buf[:runtime.Stack(buf, false)])[1]), 10, 64)
	if err != nil {
		panic(err)
	}
	return id
}

func (w *waiter) start() { atomic.StoreInt64(&w.since, now()) }

func (w *waiter) stop() {
	w.mu.Lock()
	w.total += now() - w.since
	atomic.StoreInt64(&w.since, 0)
	w.mu.Unlock()
}

func (w *waiter) sum() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if since := atomic.LoadInt64(&w.since); since != 0 {
		return w.total + now() - since
	}
	return w.total
}

var sink uint64

//go:noinline
func work(us int) {
	x := uint64(us)
	for until := time.Now().Add(time.Duration(us) * time.Microsecond); time.Now().Before(until); {
		for i := 0; i < 100; i++ {
			x = x*6364136223846793005 + 1
		}
	}
	atomic.StoreUint64(&sink, x)
}

func random(ms int) time.Duration { return time.Duration(rand.Intn(2*ms*1000)) * time.Microsecond }

var (
	mutex   sync.Mutex
	numbers = make(chan int)
	first   = make(chan int)
	second  = make(chan int)
)

//go:noinline
func waitMutex() { mutex.Lock() }

//go:noinline
func waitChan() { <-numbers }

//go:noinline
func waitSelect() {
	select {
	case <-first:
	case <-second:
	}
}

//go:noinline
func waitSleep(d time.Duration) { time.Sleep(d) }

//go:noinline
func waitNet(c net.Conn, b []byte) {
	if _, err := c.Read(b); err != nil {
		panic(err)
	}
}

//go:noinline
func waitSyscall(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	syscall.Nanosleep(&t, nil)
}

//go:noinline
func waitDisk(f *os.File, b []byte) {
	if _, err := f.WriteAt(b, 0); err != nil {
		panic(err)
	}
	syscall.Fsync(int(f.Fd()))
}

// each runs wait again and again, with after behind it, as one of the goroutines that are told.
func each(kind string, wait, after func()) {
	go pprof.Do(context.Background(), pprof.Labels("op", kind), func(context.Context) {
		w := &waiter{kind: kind, goid: goid()}
		known.Lock()
		waiters = append(waiters, w)
		known.Unlock()
		for {
			w.start()
			wait()
			w.stop()
			after()
		}
	})
}

func send(to chan<- int, ms int) {
	for {
		to <- 1
		time.Sleep(random(ms))
	}
}

var never = make(chan int)

//go:noinline
func parked(depth int) int {
	if depth > 0 {
		return parked(depth-1) + 1
	}
	return <-never
}

//go:noinline
func grow(n int) int {
	var a [64]int
	a[n&63] = n
	if n > 0 {
		return grow(n-1) + a[n&63]
	}
	return 0
}

//go:noinline
func waitShrunk(d time.Duration) { time.Sleep(d) }

func ring(n int) {
	links := make([]chan int, n)
	for i := range links {
		links[i] = make(chan int)
	}
	for i := range links {
		in, out := links[i], links[(i+1)%n]
		go func() {
			for {
				out <- <-in
			}
		}()
	}
	for i := 0; i < n/8+1; i++ {
		links[i*7%n] <- 1
	}
}

func connect() (net.Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	b, err := l.Accept()
	if err != nil {
		panic(err)
	}
	return a, b
}

func main() {
	more := flag.Int("parked", 0, "")
	deep := flag.Int("deep", 0, "")
	nring := flag.Int("ring", 0, "")
	shrink := flag.Bool("shrink", false, "")
	flag.Parse()
	rand.Seed(time.Now().UnixNano())

	for i := 0; i < 3; i++ {
		each("Mutex", waitMutex, func() {
			time.Sleep(random(2))
			mutex.Unlock()
			time.Sleep(random(2))
		})
	}
	each("Chan", waitChan, func() { work(1000) })
	go send(numbers, 5)
	each("Select", waitSelect, func() { work(500) })
	go send(first, 12)
	go send(second, 12)
	each("Sleep", func() { waitSleep(random(6)) }, func() { work(2000) })
	a, b := connect()
	buf := make([]byte, 64)
	each("Net", func() { waitNet(a, buf) }, func() { work(1000) })
	go func() {
		for {
			time.Sleep(random(4))
			b.Write([]byte{1})
		}
	}()
	each("Syscall", func() { waitSyscall(random(6)) }, func() { work(2000) })
	f, err := ioutil.TempFile("", "waits")
	if err != nil {
		panic(err)
	}
	os.Remove(f.Name())
	page := make([]byte, 4096)
	each("Disk", func() { waitDisk(f, page) }, func() { time.Sleep(random(4)) })
	if *shrink {
		for i := 0; i < 8; i++ {
			each("Shrunk", func() { waitShrunk(random(20)) }, func() { grow(100 + rand.Intn(200)) })
		}
		go func() {
			for {
				runtime.GC()
			}
		}()
	}
	for i := 0; i < *more; i++ {
		go parked(*deep)
	}
	if *nring > 0 {
		ring(*nring)
	}
	time.Sleep(200 * time.Millisecond)
	fmt.Println("ready", os.Getpid(), runtime.Version())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		known.Lock()
		out := bytes.Buffer{}
		fmt.Fprintln(&out, "now", now())
		for _, w := range waiters {
			fmt.Fprintln(&out, "g", w.kind, w.goid, w.sum())
		}
		known.Unlock()
		fmt.Fprintln(&out, "end")
		os.Stdout.Write(out.Bytes())
	}
}
