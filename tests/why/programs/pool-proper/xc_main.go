// SPDX-License-Identifier: Apache-2.0

// Work at full speed with buffers from a pool, put back whole; one regular expression, compiled once.
package main

import (
	"bytes"
	"regexp"
	"runtime"
	"strconv"
	"sync"
)

var x_buffers = sync.Pool{New: func() interface{} { return new(bytes.Buffer) }}
var x_number = regexp.MustCompile(`[0-9]+`)

//go:noinline
func x_line(id int) int {
	b := x_buffers.Get().(*bytes.Buffer)
	b.Reset()
	var digits [20]byte
	for i := 0; i < P_fields; i++ {
		b.Write(strconv.AppendInt(digits[:0], int64(id+i), 10))
		b.WriteByte(' ')
	}
	n := 0
	for _, c := range b.Bytes() {
		n = n*31 + int(c)
	}
	if id%64 == 0 {
		n += len(x_number.Find(b.Bytes()))
	}
	x_buffers.Put(b)
	return n
}

func x_worker(id int) {
	for i := id; ; i++ {
		x_line(i)
		if i%100 == 0 {
			x_count(100)
		}
	}
}

func main() {
	for i := 0; i < runtime.NumCPU(); i++ {
		go x_worker(i * 1000)
	}
	x_started()
	select {}
}
