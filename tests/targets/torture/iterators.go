// SPDX-License-Identifier: Apache-2.0

//go:build go1.23
// +build go1.23

package main

import (
	"iter"
	"math/rand/v2"
)

//go:noinline
func pulled(n int) (all uint64) {
	next, stop := iter.Pull(func(yield func(uint64) bool) {
		for i := 0; i < n; i++ {
			if !yield(spin(100) + rand.Uint64()) {
				return
			}
		}
	})
	defer stop()
	for v, ok := next(); ok; v, ok = next() {
		all += v
	}
	return all
}

func init() {
	work["iterators"] = func() { sink += pulled(1000) }
	work["random"] = func() {
		c := rand.NewChaCha8([32]byte{})
		for i := 0; i < 100_000; i++ {
			sink += c.Uint64()
		}
	}
}
