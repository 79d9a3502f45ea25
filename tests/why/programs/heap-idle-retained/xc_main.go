// SPDX-License-Identifier: Apache-2.0

// Bursts of garbage with pauses between them.
package main

import "time"

type x_tile struct{ pixels []byte }

//go:noinline
func x_decode(n int) []x_tile {
	tiles := make([]x_tile, n)
	for i := range tiles {
		tiles[i].pixels = make([]byte, 1<<20)
		for k := 0; k < 1<<20; k += 4096 {
			tiles[i].pixels[k] = byte(i)
		}
	}
	return tiles
}

func main() {
	x_started()
	n := 0
	for {
		n += len(x_decode(P_mb))
		x_count(1)
		time.Sleep(P_ms * time.Millisecond)
	}
}
