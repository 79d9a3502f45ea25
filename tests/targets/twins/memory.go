// SPDX-License-Identifier: Apache-2.0

package main

import "time"

func init() {
	twins["gc-normal"] = gcNormal
	twins["cache-bounded"] = cacheBounded
	twins["big-static-heap"] = bigStaticHeap
}

type node struct {
	left, right *node
	pad         [48]byte
}

var kept interface{}

// 50 MB/s of allocation over 64 MB live.
func gcNormal() {
	live := make([]*node, 1<<20)
	for i := range live {
		live[i] = &node{}
		if i > 0 {
			live[i].left = live[i/2]
		}
	}
	kept = live
	for at := 0; ; {
		for i := 0; i < 8000; i++ {
			live[at] = &node{}
			at = (at + 1) % len(live)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A cache fills to 64 MB, then replaces its oldest.
func cacheBounded() {
	cache := map[int][]byte{}
	kept = cache
	for i := 0; ; i++ {
		b := make([]byte, 64<<10)
		for k := 0; k < len(b); k += 4096 {
			b[k] = byte(i)
		}
		cache[i] = b
		delete(cache, i-1024)
		time.Sleep(2 * time.Millisecond)
	}
}

// 400 MB without a pointer, idle.
func bigStaticHeap() {
	b := make([]byte, 400<<20)
	for k := 0; k < len(b); k += 4096 {
		b[k] = 1
	}
	kept = b
}
