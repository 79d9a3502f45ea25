// SPDX-License-Identifier: Apache-2.0

// A handler that goes round its loop on an error of Read: each peer that hung up leaves a goroutine that spins.
package main

import (
	"log"
	"net"
	"os"
	"time"
)

type X_Server struct {
	l   net.Listener
	log *log.Logger
}

//go:noinline
func (s *X_Server) x_serve(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		c.SetReadDeadline(time.Now().Add(30 * time.Second))
		n, err := c.Read(buf)
		if err != nil {
			if s.log != nil {
				s.log.Println("read:", err)
			}
			continue
		}
		c.Write(buf[:n])
		x_count(1)
	}
}

func (s *X_Server) x_accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		go s.x_serve(c)
	}
}

func x_peer(address string, live bool) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	buf := make([]byte, 64)
	for i := 0; live || i < 3; i++ {
		c.Write([]byte("hello"))
		c.Read(buf)
		time.Sleep(200 * time.Millisecond)
	}
	c.Close()
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	s := &X_Server{l: l}
	if P_logs == 1 {
		f, _ := os.Create("p_name.log")
		s.log = log.New(f, "", log.LstdFlags)
	}
	go s.x_accept()
	for i := 0; i < P_live; i++ {
		go x_peer(l.Addr().String(), true)
	}
	for i := 0; i < P_dead; i++ {
		go x_peer(l.Addr().String(), false)
	}
	x_started()
	select {}
}
