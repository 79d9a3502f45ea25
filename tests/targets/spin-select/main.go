// SPDX-License-Identifier: Apache-2.0

// select with an empty default on silent channels.
//
//	spin-select [-channels 1..3]
//
// Truth: busy-spin, kind select; function main.(*hub).dispatch (1 channel), main.(*hub).dispatchMany (more).
package main

import (
	"flag"
	"fmt"
	"os"
)

type hub struct {
	a, b, c chan int
	got     int
}

//go:noinline
func (h *hub) dispatch() {
	for {
		select {
		case v := <-h.a:
			h.got += v
		default:
		}
	}
}

//go:noinline
func (h *hub) dispatchMany() {
	for {
		select {
		case v := <-h.a:
			h.got += v
		case v := <-h.b:
			h.got -= v
		case h.c <- h.got:
			h.got = 0
		default:
		}
	}
}

func main() {
	channels := flag.Int("channels", 1, "1, or 3 for a select of several")
	flag.Parse()
	h := &hub{a: make(chan int), b: make(chan int, 4), c: make(chan int)}
	if *channels == 1 {
		go h.dispatch()
	} else {
		go h.dispatchMany()
	}
	fmt.Println("ready", os.Getpid())
	select {}
}
