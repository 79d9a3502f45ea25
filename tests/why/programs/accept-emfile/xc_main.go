// SPDX-License-Identifier: Apache-2.0

// The accept loop goes round when there are no descriptors left.
package main

import (
	"log"
	"net"
	"os"
	"syscall"
	"time"
)

type X_Server struct {
	l     net.Listener
	conns []net.Conn
	log   *log.Logger
}

//go:noinline
func (s *X_Server) X_Serve() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			s.log.Print("accept: ", err)
			continue
		}
		s.conns = append(s.conns, c)
		x_count(1)
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	f, err2 := os.Create("p_server.log")
	if err != nil || err2 != nil {
		os.Exit(1)
	}
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: P_limit, Max: P_limit})
	s := &X_Server{l: l, log: log.New(f, "", 0)}
	var mine []net.Conn
	go s.X_Serve()
	x_started()
	for i := 0; ; i++ {
		c, err := net.DialTimeout("tcp", l.Addr().String(), 100*time.Millisecond)
		if err == nil {
			mine = append(mine, c)
		} else {
			time.Sleep(20 * time.Millisecond)
		}
		if len(mine) >= P_limit/2-10 && i%50 == 49 {
			time.Sleep(10 * time.Millisecond)
		}
	}
}
