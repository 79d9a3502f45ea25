// SPDX-License-Identifier: Apache-2.0

// Each small request writes several debug lines.
package main

import (
	"log"
	"os"
)

type X_Request struct {
	id   int
	path string
}

var x_out *log.Logger

//go:noinline
func x_serve(r *X_Request) int {
	x_out.Printf("debug: begin %+v", *r)
	sum := 0
	for i := 0; i < 300; i++ {
		sum += r.id * i
	}
	x_out.Printf("debug: path %q sum %d", r.path, sum)
	x_out.Printf("debug: end %d", r.id)
	return sum
}

func main() {
	f, err := os.Create("p_debug.log")
	if err != nil {
		os.Exit(1)
	}
	x_out = log.New(f, "", log.LstdFlags)
	x_started()
	for i := 0; ; i++ {
		x_serve(&X_Request{i, "/a/b"})
		x_count(1)
		if i%100000 == 0 {
			f.Truncate(0)
			f.Seek(0, 0)
		}
	}
}
