// SPDX-License-Identifier: Apache-2.0

// probe knows the truth about itself: it prints its goroutine ids, thread ids and counters as "name value" words
// on one line for each line it reads, so that what osprey reads from outside can be compared.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// goid is the number of the calling goroutine, from the text of its traceback ("goroutine 7 [running]:").
func goid() int64 {
	buf := make([]byte, 64)
	word := bytes.Fields(buf[:runtime.Stack(buf, false)])[1]
	id, err := strconv.ParseInt(string(word), 10, 64)
	if err != nil {
		panic(err)
	}
	return id
}

type place struct {
	goid int64
	tid  int
}

var sink uint64

//go:noinline
func spin() {
	for {
		sink++
	}
}

func spinner(ready chan<- place) {
	runtime.LockOSThread()
	ready <- place{goid(), syscall.Gettid()}
	spin()
}

func reader(ready chan<- place) {
	runtime.LockOSThread()
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		panic(err)
	}
	ready <- place{goid(), syscall.Gettid()}
	var b [1]byte
	syscall.Read(pipe[0], b[:])
}

func waiter(ready chan<- place, never <-chan int) {
	ready <- place{goid(), 0}
	<-never
}

func main() {
	runtime.GOMAXPROCS(3)
	runtime.LockOSThread()
	ready := make(chan place)
	never := make(chan int)
	go spinner(ready)
	spinning := <-ready
	go reader(ready)
	reading := <-ready
	for i := 0; i < 20; i++ {
		go waiter(ready, never)
		<-ready
	}
	inC := startC()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		work()
		fmt.Printf("version %s goroutines %d cgocalls %d maxprocs %d main %d %d spin %d %d read %d %d c %d %d\n",
			strings.ReplaceAll(runtime.Version(), " ", "_"), runtime.NumGoroutine(), runtime.NumCgoCall(), runtime.GOMAXPROCS(0), goid(),
			syscall.Gettid(), spinning.goid, spinning.tid, reading.goid, reading.tid, inC.goid, inC.tid)
	}
}
