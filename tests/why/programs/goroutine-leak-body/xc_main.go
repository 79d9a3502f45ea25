// SPDX-License-Identifier: Apache-2.0

// Responses whose body is never closed.
package main

import (
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

type X_Client struct {
	url string
	c   *http.Client
}

func x_page(w http.ResponseWriter, r *http.Request) {
	w.Write([]byte(strings.Repeat("status ", 2000)))
}

//go:noinline
func (c *X_Client) X_Check() bool {
	r, err := c.c.Get(c.url)
	return err == nil && r.StatusCode == 200
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	go http.Serve(l, http.HandlerFunc(x_page))
	c := &X_Client{"http://" + l.Addr().String(), &http.Client{Transport: &http.Transport{}}}
	x_started()
	for range time.Tick(time.Second / P_rate) {
		c.X_Check()
		x_count(1)
	}
}
