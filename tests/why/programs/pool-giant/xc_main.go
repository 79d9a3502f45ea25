// SPDX-License-Identifier: Apache-2.0

// Buffers that grew large for one request go back to the pool and are never given up. Without P_keep they are.
package main

import (
	"bytes"
	"sync"
	"time"
)

var x_buffers = sync.Pool{New: func() interface{} { return new(bytes.Buffer) }}

//go:noinline
func x_encode(n int) int {
	b := x_buffers.Get().(*bytes.Buffer)
	b.Reset()
	for i := 0; i < n; i += 64 {
		b.Write(make([]byte, 64))
	}
	time.Sleep(P_pause * time.Millisecond)
	size := b.Len()
	if P_keep == 1 || b.Cap() < 64<<10 {
		x_buffers.Put(b)
	}
	return size
}

func x_client(id int) {
	for i := id; ; i++ {
		n := P_least
		if i%500 == 0 && (P_keep == 1 || i%100000 == 0) {
			n = P_mb << 20
		}
		x_encode(n)
		x_count(1)
	}
}

func main() {
	for i := 0; i < P_clients; i++ {
		go x_client(i * 7)
	}
	x_started()
	select {}
}
