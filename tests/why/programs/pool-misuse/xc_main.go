// SPDX-License-Identifier: Apache-2.0

// A sync.Pool whose buffers lose their capacity when they are put back.
package main

import (
	"strconv"
	"sync"
)

type x_buffer struct{ b []byte }

var x_pool = sync.Pool{New: func() interface{} { return new(x_buffer) }}

//go:noinline
func x_format(id int) int {
	buf := x_pool.Get().(*x_buffer)
	for i := 0; i < P_fields; i++ {
		buf.b = strconv.AppendInt(buf.b, int64(id*i), 10)
		buf.b = append(buf.b, ',', ' ')
	}
	n := len(buf.b)
	buf.b = nil
	x_pool.Put(buf)
	return n
}

func x_worker(id int) {
	n := 0
	for i := id; ; i++ {
		n += x_format(i)
		if i%100 == 0 {
			x_count(100)
		}
	}
}

func main() {
	for i := 0; i < P_workers; i++ {
		go x_worker(i * 1000)
	}
	x_started()
	select {}
}
