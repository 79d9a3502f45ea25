// SPDX-License-Identifier: Apache-2.0

// A handler keeps unread bytes at the start of a packet buffer. A packet larger than the buffer fills it; then Read is called
// with an empty slice, which says 0 and no error at once, and the handler goes round.
package main

import (
	"encoding/binary"
	"net"
	"os"
	"time"
)

type X_Link struct {
	c    net.Conn
	buf  [P_size]byte
	have int
}

func (k *X_Link) x_packets() {
	for k.have >= 4 {
		n := int(binary.LittleEndian.Uint32(k.buf[:]))
		if k.have < 4+n {
			return
		}
		copy(k.buf[:], k.buf[4+n:k.have])
		k.have -= 4 + n
		x_count(1)
	}
}

//go:noinline
func (k *X_Link) x_receive() {
	for {
		k.c.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := k.c.Read(k.buf[k.have:])
		if err != nil {
			k.c.Close()
			return
		}
		k.have += n
		k.x_packets()
	}
}

func x_send(address string, sizes ...int) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	for i := 0; ; i++ {
		n := sizes[i%len(sizes)]
		b := make([]byte, 4+n)
		binary.LittleEndian.PutUint32(b, uint32(n))
		c.Write(b)
		time.Sleep(50 * time.Millisecond)
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Exit(1)
	}
	for i := 0; i < P_live; i++ {
		go x_send(l.Addr().String(), 100, 700)
	}
	go x_send(l.Addr().String(), 64, 128, P_size*2)
	x_started()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go (&X_Link{c: c}).x_receive()
	}
}
