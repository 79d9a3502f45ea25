// SPDX-License-Identifier: Apache-2.0

// Lines are taken apart by a short pattern; most of the work is done with what comes out of it.
package main

import (
	"fmt"
	"hash/fnv"
	"regexp"
)

var x_rule = regexp.MustCompile(`^(\d+) user=(\w+) `)

//go:noinline
func x_score(user string, rounds int) (sum uint64) {
	for i := 0; i < rounds; i++ {
		h := fnv.New64a()
		h.Write([]byte(user))
		sum += h.Sum64() + uint64(i)
	}
	return sum
}

func x_line(i int) string {
	line := fmt.Sprintf("%d user=u%d ", i, i%1000)
	for k := 0; k < P_words; k++ {
		line += "word "
	}
	return line
}

func main() {
	lines := make([]string, 500)
	for i := range lines {
		lines[i] = x_line(i)
	}
	x_started()
	for i := 0; ; i++ {
		if m := x_rule.FindStringSubmatch(lines[i%len(lines)]); m != nil && x_score(m[2], P_rounds) != 1 {
			x_count(1)
		}
	}
}
