// SPDX-License-Identifier: Apache-2.0

// A cache fills up to its bound, then replaces.
package main

import "time"

type X_Cache struct {
	blocks map[int][]byte
	limit  int
}

func (c *X_Cache) X_Put(id int) {
	b := make([]byte, P_kb<<10)
	for k := 0; k < len(b); k += 4096 {
		b[k] = byte(id)
	}
	c.blocks[id] = b
	delete(c.blocks, id-c.limit)
}

func main() {
	c := &X_Cache{map[int][]byte{}, 64 << 10 / P_kb}
	x_started()
	for i := 0; ; i++ {
		c.X_Put(i)
		x_count(1)
		time.Sleep(P_ms * time.Millisecond)
	}
}
