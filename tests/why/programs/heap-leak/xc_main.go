// SPDX-License-Identifier: Apache-2.0

// A package-level slice keeps all that was ever made; the blocks are written to, or not.
package main

import "time"

type X_Record struct {
	id   int
	body []byte
}

var x_history []*X_Record

//go:noinline
func x_remember(id int) {
	r := &X_Record{id, make([]byte, P_kb<<10)}
	if P_touch == 1 {
		for i := 0; i < len(r.body); i += 512 {
			r.body[i] = byte(id)
		}
	}
	x_history = append(x_history, r)
}

func main() {
	x_started()
	for i := 0; ; i++ {
		x_remember(i)
		x_count(1)
		time.Sleep(P_ms * time.Millisecond)
	}
}
