// SPDX-License-Identifier: Apache-2.0

// Each request makes a ticker that is never stopped.
package main

import "time"

type X_Retry struct {
	t *time.Ticker
	n int
}

var x_running = map[int]*X_Retry{}

//go:noinline
func x_request(id int) {
	r := &X_Retry{t: time.NewTicker(P_ms * time.Millisecond)}
	if P_kept == 1 {
		x_running[id] = r
	}
	select {
	case <-r.t.C:
		r.n++
	default:
		x_count(1)
	}
}

func main() {
	x_started()
	for i := 0; ; i++ {
		x_request(i)
		time.Sleep(time.Second / P_rate)
	}
}
