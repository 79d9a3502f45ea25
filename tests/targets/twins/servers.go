// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

func init() {
	twins["idle-server"] = func() { serve(http.NotFoundHandler()) }
	twins["loaded-server"] = loadedServer
	twins["clock-light"] = clockLight
}

func serve(h http.Handler) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go http.Serve(l, h)
	return "http://" + l.Addr().String()
}

// Ask the server n times a second over a few connections.
func ask(url string, n int) {
	const clients = 4
	for i := 0; i < clients; i++ {
		go func() {
			for range time.Tick(time.Second * clients / time.Duration(n)) {
				r, err := http.Get(url)
				if err == nil {
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
				}
			}
		}()
	}
}

type order struct {
	ID    int               `json:"id"`
	Name  string            `json:"name"`
	Items []string          `json:"items"`
	Notes map[string]string `json:"notes"`
}

// A few hundred requests a second, JSON both ways, one short mutex.
func loadedServer() {
	var mu sync.Mutex
	seen := map[int]int{}
	text := []byte(`{"id":7,"name":"seven","items":["a","b","c","d"],"notes":{"k":"v","l":"w"}}`)
	ask(serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o order
		if json.Unmarshal(text, &o) != nil {
			return
		}
		mu.Lock()
		seen[o.ID]++
		mu.Unlock()
		json.NewEncoder(w).Encode(o)
	})), 400)
}

// Two time stamps a request.
func clockLight() {
	var total time.Duration
	var mu sync.Mutex
	ask(serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		fmt.Fprintln(w, "hello", r.URL.Path)
		mu.Lock()
		total += time.Since(start)
		mu.Unlock()
	})), 300)
}
