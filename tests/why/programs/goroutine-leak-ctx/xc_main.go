// SPDX-License-Identifier: Apache-2.0

// The cancel function is dropped; a watcher waits for Done and a ticker for ever.
package main

import (
	"context"
	"time"
)

type X_Lease struct {
	id    int
	beats int
}

//go:noinline
func (l *X_Lease) x_renew(ctx context.Context) {
	t := time.NewTicker(P_ms * time.Millisecond)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			l.beats++
		}
	}
}

//go:noinline
func X_Acquire(id int) *X_Lease {
	ctx, cancel := context.WithCancel(context.Background())
	_ = cancel
	l := &X_Lease{id: id}
	go l.x_renew(ctx)
	return l
}

func main() {
	x_started()
	for i := 0; ; i++ {
		X_Acquire(i)
		x_count(1)
		time.Sleep(time.Second / P_rate)
	}
}
