// SPDX-License-Identifier: Apache-2.0

// An HTTP server; P_rate requests a second, JSON both ways, one short mutex. Rate 0: nobody asks.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

type X_Order struct {
	ID    int               `json:"id"`
	Name  string            `json:"name"`
	Items []string          `json:"items"`
	Notes map[string]string `json:"notes"`
}

type X_Shop struct {
	mu   sync.Mutex
	seen map[int]int
	took time.Duration
}

func (s *X_Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	var o X_Order
	if json.NewDecoder(r.Body).Decode(&o) != nil {
		w.WriteHeader(400)
		return
	}
	s.mu.Lock()
	s.seen[o.ID%1000]++
	s.mu.Unlock()
	json.NewEncoder(w).Encode(o)
	s.mu.Lock()
	s.took += time.Since(begun)
	s.mu.Unlock()
	x_count(1)
}

func x_ask(url string, every time.Duration) {
	text, _ := json.Marshal(X_Order{7, "seven", []string{"a", "b", "c", "d"}, map[string]string{"k": "v", "l": "w"}})
	for range time.Tick(every) {
		r, err := http.Post(url, "application/json", bytes.NewReader(text))
		if err == nil {
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	go http.Serve(l, &X_Shop{seen: map[int]int{}})
	for i := 0; i < P_rate/50; i++ {
		go x_ask("http://"+l.Addr().String(), time.Second/50)
	}
	x_started()
	select {}
}
