// SPDX-License-Identifier: Apache-2.0

// An HTTP server under full load: parsing, sorting, hashing and rendering in its handler; requests come one after the other
// from a few clients, on connections that are kept.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
)

//go:noinline
func x_report(w http.ResponseWriter, r *http.Request) {
	words := strings.Fields(x_text)
	sort.Strings(words)
	sum := sha256.Sum256([]byte(x_text))
	for i := 0; i < P_rounds; i++ {
		sum = sha256.Sum256(sum[:])
	}
	fmt.Fprintf(w, "%d %x\n", len(words), sum)
	x_count(1)
}

var x_text = strings.Repeat("lorem ipsum dolor sit amet consetetur ", 40)

func x_user(url string) {
	for {
		r, err := http.Get(url)
		if err != nil {
			continue
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 16
	go http.Serve(l, http.HandlerFunc(x_report))
	for i := 0; i < P_users; i++ {
		go x_user("http://" + l.Addr().String())
	}
	x_started()
	select {}
}
