// SPDX-License-Identifier: Apache-2.0

// Requests go to a peer that takes its time; no deadline is set.
package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

func x_backend(w http.ResponseWriter, r *http.Request) {
	time.Sleep(P_ms * time.Millisecond)
	w.Write([]byte("done"))
}

type X_Gateway struct {
	url string
	c   http.Client
}

//go:noinline
func (g *X_Gateway) X_Forward() bool {
	r, err := g.c.Get(g.url)
	if err != nil {
		return false
	}
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	return true
}

func x_user(g *X_Gateway) {
	for g.X_Forward() {
		x_count(1)
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	go http.Serve(l, http.HandlerFunc(x_backend))
	g := &X_Gateway{url: "http://" + l.Addr().String()}
	for i := 0; i < P_users; i++ {
		go x_user(g)
	}
	x_started()
	select {}
}
