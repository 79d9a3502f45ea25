// SPDX-License-Identifier: Apache-2.0

// Stages of real work joined by buffered channels; as many workers as processors.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"runtime"
)

type x_block struct {
	data []byte
	sum  [32]byte
}

//go:noinline
func x_squeeze(in <-chan *x_block, out chan<- *x_block) {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	for b := range in {
		buf.Reset()
		z.Reset(&buf)
		z.Write(b.data)
		z.Close()
		b.sum = sha256.Sum256(buf.Bytes())
		out <- b
	}
}

func x_sink(out <-chan *x_block, free chan<- *x_block) {
	for b := range out {
		x_count(1)
		free <- b
	}
}

func main() {
	const depth = 16
	in, out, free := make(chan *x_block, depth), make(chan *x_block, depth), make(chan *x_block, depth)
	for i := 0; i < runtime.NumCPU(); i++ {
		go x_squeeze(in, out)
	}
	go x_sink(out, free)
	for i := 0; i < depth; i++ {
		b := &x_block{data: make([]byte, P_kb<<10)}
		for k := range b.data {
			b.data[k] = byte(k * k >> 5)
		}
		free <- b
	}
	x_started()
	for b := range free {
		b.data[0]++
		in <- b
	}
}
