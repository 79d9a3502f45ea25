// SPDX-License-Identifier: Apache-2.0

// timers has as many timers of each kind as it says below, and no others of its own. It prints its pid when all are there, and
// ends when its input does.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

var kept []interface{}

//go:noinline
func onHour() { fmt.Println("an hour is over") }

//go:noinline
func onStop() { fmt.Println("never") }

func sleeper(ready *sync.WaitGroup) {
	ready.Done()
	time.Sleep(time.Hour)
}

func waiter(c <-chan time.Time, ready *sync.WaitGroup) {
	ready.Done()
	for range c {
	}
}

func main() {
	var ready sync.WaitGroup
	for i := 0; i < 5; i++ { // tickers that somebody waits for
		ready.Add(1)
		go waiter(time.NewTicker(1500*time.Millisecond).C, &ready)
	}
	for i := 0; i < 7; i++ { // tickers that nobody waits for
		kept = append(kept, time.NewTicker(1700*time.Millisecond))
	}
	for i := 0; i < 2; i++ { // timers that somebody waits for
		ready.Add(1)
		go waiter(time.After(30*time.Minute), &ready)
	}
	for i := 0; i < 300; i++ {
		kept = append(kept, time.AfterFunc(time.Hour, onHour))
	}
	for i := 0; i < 4; i++ {
		ready.Add(1)
		go sleeper(&ready)
	}
	var stopped []*time.Timer
	for i := 0; i < 6; i++ {
		stopped = append(stopped, time.AfterFunc(2*time.Hour, onStop))
	}
	for _, t := range stopped {
		t.Stop()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		panic(err)
	}
	c.SetReadDeadline(time.Now().Add(3 * time.Hour))
	kept = append(kept, l, c)
	ready.Wait()
	time.Sleep(50 * time.Millisecond) // until they wait
	fmt.Println(os.Getpid(), l.Addr().String())
	bufio.NewReader(os.Stdin).ReadString('\n')
}
