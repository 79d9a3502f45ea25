// SPDX-License-Identifier: Apache-2.0

// memory takes memory of the kind and size that it is told to, "KIND MB" a line, touches all of it, and answers with lines, the
// last of which is "done". Beside those of C (take.c, with cgo):
//
//	heap       objects that are kept
//	untouched  one large object that is kept and never written to
//	idle       objects that are dropped; runtime.GC
//	return     the same; debug.FreeOSMemory
//	stacks     goroutines that wait, of 8 kB of stack each
//	classes    its runtime/metrics of memory, a line each
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

const mb = 1 << 20

var (
	kept  [][]byte
	large [][]byte
	never = make(chan int)
)

func touched(n int) (list [][]byte) {
	for i := 0; i < n*16; i++ {
		b := make([]byte, mb/16)
		for j := 0; j < len(b); j += 512 {
			b[j] = 1
		}
		list = append(list, b)
	}
	return list
}

//go:noinline
func deep(n int, ready chan<- bool) byte {
	var room [1024]byte
	room[n] = 1
	if n > 0 {
		return deep(n-1, ready) + room[n/2]
	}
	ready <- true
	<-never
	return room[0]
}

func classes() {
	var s []metrics.Sample
	for _, d := range metrics.All() {
		if strings.HasPrefix(d.Name, "/memory/classes/") {
			s = append(s, metrics.Sample{Name: d.Name})
		}
	}
	metrics.Read(s)
	for _, m := range s {
		fmt.Println(m.Name, m.Value.Uint64())
	}
}

func obey(kind string, n int) bool {
	switch kind {
	case "heap":
		kept = append(kept, touched(n)...)
	case "untouched":
		large = append(large, make([]byte, n*mb))
	case "idle":
		touched(n)
		runtime.GC()
		runtime.GC()
	case "return":
		touched(n)
		debug.FreeOSMemory()
	case "stacks":
		ready := make(chan bool)
		for i := 0; i < n*128; i++ {
			go deep(3, ready)
			<-ready
		}
	case "classes":
		classes()
	default:
		return inC(kind, n)
	}
	return true
}

func main() {
	debug.SetGCPercent(-1) // nothing is collected but when it says so
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word := strings.Fields(lines.Text())
		n, _ := strconv.Atoi(word[1])
		if !obey(word[0], n) {
			fmt.Println("what?")
		}
		fmt.Println("done")
	}
}
