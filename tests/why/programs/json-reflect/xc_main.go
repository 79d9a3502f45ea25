// SPDX-License-Identifier: Apache-2.0

// Unmarshal and Marshal through interface{}.
package main

import (
	"encoding/json"
	"fmt"
)

//go:noinline
func x_enrich(text []byte) []byte {
	var doc interface{}
	if json.Unmarshal(text, &doc) != nil {
		return nil
	}
	m := doc.(map[string]interface{})
	m["seen"] = true
	out, _ := json.Marshal(m)
	return out
}

func x_worker(text []byte) {
	for {
		x_enrich(text)
		x_count(1)
	}
}

func main() {
	text := []byte(`{"id": 12, "items": [`)
	for i := 0; i < P_items; i++ {
		text = append(text, fmt.Sprintf(`{"sku": "a%d", "price": %d.5, "tags": ["x", "y"]},`, i, i)...)
	}
	text = append(text[:len(text)-1], "]}"...)
	for i := 0; i < P_workers; i++ {
		go x_worker(text)
	}
	x_started()
	select {}
}
