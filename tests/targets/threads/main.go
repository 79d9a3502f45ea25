// SPDX-License-Identifier: Apache-2.0

// threads has a thread of each kind and knows which is which. It prints one JSON object: for each thread its kind, its number
// and the goroutine on it, as that thread said itself. Then it answers each line that it reads with how often its beating
// thread has counted, and the longest pause in between, in nanoseconds.
//
//	reader   a goroutine of a thread's own in read(2) from a pipe that stays empty
//	sleeper  the same in nanosleep(2)
//	locked   a goroutine with a thread of its own, which waits for a channel
//	beat     the same, which counts
//
// With cgo there are those of cgo.go too.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

type thread struct {
	Kind      string `json:"kind"`
	Tid       int    `json:"tid"`
	Goroutine uint64 `json:"goroutine,omitempty"`
}

var (
	said       = make(chan thread)
	never      = make(chan int)
	beats, gap int64
)

func goid() uint64 {
	var buf [64]byte
	word := strings.Fields(string(buf[:runtime.Stack(buf[:], false)]))
	id, _ := strconv.ParseUint(word[1], 10, 64)
	return id
}

func own(kind string) {
	runtime.LockOSThread()
	said <- thread{kind, syscall.Gettid(), goid()}
}

func reader(fd int) {
	own("reader")
	var b [16]byte
	syscall.Read(fd, b[:])
}

func sleeper() {
	own("sleeper")
	t := syscall.Timespec{Sec: 100000}
	syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0)
}

func locked() {
	own("locked")
	<-never
}

func beat() {
	own("beat")
	last := time.Now()
	for {
		now := time.Now()
		if d := int64(now.Sub(last)); d > atomic.LoadInt64(&gap) {
			atomic.StoreInt64(&gap, d)
		}
		last = now
		atomic.AddInt64(&beats, 1)
	}
}

func main() {
	var fd [2]int
	if err := syscall.Pipe(fd[:]); err != nil {
		panic(err)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1)
	go reader(fd[0])
	go sleeper()
	go locked()
	go beat()
	n := 4 + others()
	var all []thread
	for i := 0; i < n; i++ {
		all = append(all, <-said)
	}
	text, _ := json.Marshal(map[string]interface{}{"pid": os.Getpid(), "threads": all, "version": runtime.Version()})
	fmt.Println(string(text))
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadString('\n'); err != nil {
			return
		}
		fmt.Println(atomic.LoadInt64(&beats), atomic.SwapInt64(&gap, 0))
	}
}
