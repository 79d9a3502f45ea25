// SPDX-License-Identifier: Apache-2.0

// A Go plugin (-buildmode=plugin), loaded by ./host.
//
// Truth: it computes in main.burn (by its own path, not the host's) below Work, which main.main of the host calls.
package main

//go:noinline
func burn(n int) uint64 {
	x := uint64(88172645463325252)
	for i := 0; i < n; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

//go:noinline
func down(n int) uint64 {
	if n == 0 {
		return burn(5000)
	}
	return down(n-1) + uint64(n)
}

func Work(n int) uint64 {
	done := make(chan uint64)
	go func() { done <- down(n) }()
	return down(n) + <-done
}

func main() {}
