// SPDX-License-Identifier: Apache-2.0

// Many senders and many receivers on one channel with room for one.
package main

type x_event struct {
	kind int
	at   int64
}

//go:noinline
func x_publish(out chan<- x_event, id int) {
	for i := int64(0); ; i++ {
		out <- x_event{id, i}
	}
}

//go:noinline
func x_subscribe(in <-chan x_event) {
	n := int64(0)
	for range in {
		if n++; n%1000 == 0 {
			x_count(1000)
		}
	}
}

func main() {
	bus := make(chan x_event, P_cap)
	for i := 0; i < P_senders; i++ {
		go x_publish(bus, i)
		go x_subscribe(bus)
	}
	x_started()
	select {}
}
