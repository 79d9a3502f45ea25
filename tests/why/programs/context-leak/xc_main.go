// SPDX-License-Identifier: Apache-2.0

// The cancel function of each request's context is dropped; the parent, which lives long, keeps them all.
package main

import (
	"context"
	"time"
)

type x_request struct {
	ctx  context.Context
	body [P_bytes]byte
}

type x_key struct{}

//go:noinline
func x_handle(parent context.Context, id int) bool {
	r := &x_request{}
	r.body[id%len(r.body)] = 1
	ctx, cancel := context.WithCancel(context.WithValue(parent, x_key{}, r))
	_ = cancel
	return ctx.Err() == nil
}

func main() {
	root, stop := context.WithCancel(context.Background())
	defer stop()
	x_started()
	for i := 0; ; i++ {
		x_handle(root, i)
		x_count(1)
		if i%10 == 0 {
			time.Sleep(P_ms * time.Millisecond)
		}
	}
}
