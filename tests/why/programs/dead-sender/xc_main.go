// SPDX-License-Identifier: Apache-2.0

// Workers wait for results; the one who sends them has returned without closing the channel.
package main

import (
	"errors"
	"time"
)

type x_result struct{ id int }

//go:noinline
func x_load(out chan<- x_result, n int) error {
	for i := 0; i < n; i++ {
		if i == P_fails {
			return errors.New("no more")
		}
		out <- x_result{i}
	}
	close(out)
	return nil
}

//go:noinline
func x_apply(in <-chan x_result) {
	for range in {
		x_count(1)
	}
}

func main() {
	results := make(chan x_result)
	for i := 0; i < P_workers; i++ {
		go x_apply(results)
	}
	go x_load(results, 100000)
	x_started()
	for range time.Tick(time.Second) {
	}
}
