// SPDX-License-Identifier: Apache-2.0

// A new transport for each request; the bodies are closed.
package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func x_page(w http.ResponseWriter, r *http.Request) { w.Write([]byte("fine")) }

//go:noinline
func x_ping(url string) bool {
	c := &http.Client{Transport: &http.Transport{}}
	r, err := c.Get(url)
	if err != nil {
		return false
	}
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	return true
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	go http.Serve(l, http.HandlerFunc(x_page))
	x_started()
	for range time.Tick(time.Second / P_rate) {
		x_ping("http://" + l.Addr().String())
		x_count(1)
	}
}
