// SPDX-License-Identifier: Apache-2.0

// time.After of an hour in a busy select.
package main

import "time"

type x_feed struct {
	in  chan int
	sum int
}

//go:noinline
func (f *x_feed) x_follow() {
	for {
		select {
		case v := <-f.in:
			f.sum += v
			x_count(1)
		case <-time.After(time.Hour):
			return
		}
	}
}

func main() {
	f := &x_feed{in: make(chan int)}
	go f.x_follow()
	x_started()
	for i := 0; ; i++ {
		f.in <- i
		if i%P_burst == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}
