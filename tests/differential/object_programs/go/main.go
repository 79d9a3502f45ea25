// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

type T struct{ a, b int }

func inner(x int) int {
	if x > 1000 {
		pc, file, line, _ := runtime.Caller(0)
		fmt.Println(pc, file, line)
	}
	return x*3 + 1
}

func middle(x int) int { return inner(x) + inner(x+1) }

func (t *T) Sum(n int) int {
	s := 0
	for i := 0; i < n; i++ {
		s += middle(t.a*i) ^ t.b
	}
	return s
}

//go:noinline
func big(n int) int {
	var buf [70000]byte
	for i := range buf {
		buf[i] = byte(i * n)
	}
	return int(buf[n%len(buf)]) + leaf(n)
}

//go:noinline
func leaf(n int) int { return n ^ 0x55 }

func Map[K comparable, V any](in []K, f func(K) V) []V {
	var out []V
	for _, k := range in {
		out = append(out, f(k))
	}
	return out
}

func main() {
	t := &T{len(os.Args), 7}
	fmt.Println(t.Sum(100), big(3), strings.ToUpper("x"), Map([]int{1, 2}, func(i int) string { return fmt.Sprint(i) }))
}
