// SPDX-License-Identifier: Apache-2.0

// Boxing, Sprintf and small slices in a loop; little of it lives.
package main

import (
	"fmt"
	"sort"
)

type x_row map[string]interface{}

//go:noinline
func x_render(id int) string {
	r := x_row{"id": id, "name": fmt.Sprintf("item-%d", id), "tags": []int{id, id + 1, id + 2}}
	keys := make([]string, 0)
	for k := range r {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := ""
	for _, k := range keys {
		out += fmt.Sprintf("%s=%v;", k, r[k])
	}
	return out
}

func x_worker(id int) {
	n := 0
	for i := id; ; i++ {
		n += len(x_render(i))
		if i%100 == 0 {
			x_count(100)
		}
	}
}

func main() {
	for i := 0; i < P_workers; i++ {
		go x_worker(i * 1000000)
	}
	x_started()
	select {}
}
