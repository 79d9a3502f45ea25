// SPDX-License-Identifier: Apache-2.0

// select with an empty default on silent channels.
package main

type x_hub struct {
	in, more chan int
	out      chan int
	sum      int
}

//go:noinline
func (h *x_hub) x_dispatch() {
	for {
		select {
		case v := <-h.in:
			h.sum += v
		default:
		}
	}
}

//go:noinline
func (h *x_hub) x_route() {
	for {
		select {
		case v := <-h.in:
			h.sum += v
		case v := <-h.more:
			h.sum -= v
		case h.out <- h.sum:
			h.sum = 0
		default:
		}
	}
}

func main() {
	h := &x_hub{in: make(chan int, P_cap), more: make(chan int), out: make(chan int)}
	if P_channels == 1 {
		go h.x_dispatch()
	} else {
		go h.x_route()
	}
	x_started()
	select {}
}
