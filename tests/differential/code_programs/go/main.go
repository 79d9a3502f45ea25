// SPDX-License-Identifier: Apache-2.0

// A program that measures itself: generic, inlined, leaf and library code.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime/pprof"
	"sort"
	"strings"
	"time"
)

type tree[T any] struct {
	left, right *tree[T]
	value       T
}

func (t *tree[T]) insert(v T, less func(a, b T) bool) *tree[T] {
	if t == nil {
		return &tree[T]{value: v}
	}
	if less(v, t.value) {
		t.left = t.left.insert(v, less)
	} else {
		t.right = t.right.insert(v, less)
	}
	return t
}

//go:noinline
func hot(n int) (sum uint64) {
	for i := 0; i < n; i++ {
		sum = step(sum, uint64(i))
	}
	return sum
}

func step(a, b uint64) uint64 {
	return mix(a^b) + 1
}

func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>29
}

//go:noinline
func leaf(x uint64) uint64 { return x*31 + 7 }

func words(s string) map[string]int {
	m := map[string]int{}
	for _, w := range strings.Fields(s) {
		m[w]++
	}
	return m
}

func main() {
	f, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	pprof.StartCPUProfile(f)
	text := strings.Repeat("some words and more words of many kinds ", 200)
	var total uint64
	for used() < 600*time.Millisecond {
		total += hot(20000)
		for i := 0; i < 20000; i++ {
			total = leaf(total)
		}
		m := words(text)
		b, _ := json.Marshal(m)
		total += uint64(bytes.Count(b, []byte("w")))
		var root *tree[int]
		for i := 0; i < 2000; i++ {
			root = root.insert(int(mix(uint64(i))%1000), func(a, b int) bool { return a < b })
		}
		keys := make([]string, 0, len(m))
		for k := range m {
			keys = append(keys, k)
		}
		sort.Strings(keys)
	}
	pprof.StopCPUProfile()
	f.Close()
	fmt.Println(total)
}
