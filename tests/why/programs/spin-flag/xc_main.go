// SPDX-License-Identifier: Apache-2.0

// A goroutine spins: on a flag that another sets one day, or in an empty loop that keeps main alive.
package main

import "sync/atomic"

type X_Gate struct{ open int32 }

//go:noinline
func (g *X_Gate) X_Await() {
	for atomic.LoadInt32(&g.open) == 0 {
	}
}

//go:noinline
func x_stay() {
	for {
	}
}

func main() {
	x_started()
	if P_empty == 1 {
		x_stay()
	}
	(&X_Gate{}).X_Await()
}
