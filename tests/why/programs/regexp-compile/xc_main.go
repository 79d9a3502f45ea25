// SPDX-License-Identifier: Apache-2.0

// A regular expression is compiled for each request.
package main

import (
	"fmt"
	"regexp"
)

//go:noinline
func x_matches(line string) bool {
	re := regexp.MustCompile(`^(\w+)-(\d{1,6})\s+(?:GET|POST|PUT) (/[\w./-]*)+\s+"([^"]*)"$`)
	return re.MatchString(line)
}

func x_worker(id int) {
	for i := 0; ; i++ {
		x_matches(fmt.Sprintf(`p_host-%d GET /a/b/%d "agent %d"`, id, i, i%7))
		x_count(1)
	}
}

func main() {
	for i := 0; i < P_workers; i++ {
		go x_worker(i)
	}
	x_started()
	select {}
}
