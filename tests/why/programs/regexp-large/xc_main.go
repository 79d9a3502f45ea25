// SPDX-License-Identifier: Apache-2.0

// A regular expression that has no literal start runs over large texts.
package main

import (
	"regexp"
	"strings"
)

var x_rule = regexp.MustCompile(`(?i)(\w+\s+){2,5}(cost|price|total)\s*[:=]\s*(\d+[.,]?\d*)\s*(eur|usd)?$`)

//go:noinline
func x_extract(text string) int {
	return len(x_rule.FindAllStringIndex(text, -1))
}

func main() {
	text := strings.Repeat("the quick brown fox has a total of items ", P_kb*25)
	x_started()
	for {
		x_extract(text)
		x_count(1)
	}
}
