// SPDX-License-Identifier: Apache-2.0

// Each request opens a file, or a connection, that is not closed on one path.
package main

import (
	"net"
	"os"
	"time"
)

var x_last interface{}

//go:noinline
func x_render(path string, id int) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	var b [64]byte
	n, _ := f.Read(b[:])
	if id%4 == 0 {
		f.Close()
	} else {
		x_kept = append(x_kept, f)
	}
	return n
}

//go:noinline
func x_notify(address string, id int) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	c.Write([]byte("note"))
	if id%4 == 0 {
		c.Close()
	} else {
		x_kept = append(x_kept, c)
	}
}

var x_kept []interface{}

func x_listen(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		x_last = c
		c.Close()
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || os.WriteFile("p_page.txt", []byte("text"), 0600) != nil {
		os.Exit(1)
	}
	go x_listen(l)
	x_started()
	for i := 0; ; i++ {
		if P_sockets == 1 {
			x_notify(l.Addr().String(), i)
		} else {
			x_render("p_page.txt", i)
		}
		x_count(1)
		time.Sleep(time.Second / P_rate)
	}
}
