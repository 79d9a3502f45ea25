// SPDX-License-Identifier: Apache-2.0

// Names are looked up by the C library, and the name server does not answer.
package main

/*
#include <netdb.h>
#include <stddef.h>
static int xc_resolve(const char *name)
{
    struct addrinfo *found = NULL;
    int wrong = getaddrinfo(name, "80", NULL, &found);
    if (found)
        freeaddrinfo(found);
    return wrong;
}
*/
import "C"

import (
	"fmt"
	"net"
	"os"
	"time"
)

//go:noinline
func x_dial(id int) {
	if P_own == 1 {
		C.xc_resolve(C.CString(fmt.Sprintf("host%d.example.org", id)))
		return
	}
	c, err := net.DialTimeout("tcp", fmt.Sprintf("host%d.example.org:80", id), time.Hour)
	if err == nil {
		c.Close()
	}
}

func x_silent(c net.PacketConn) {
	b := make([]byte, 512)
	for {
		if _, _, err := c.ReadFrom(b); err != nil {
			return
		}
	}
}

func main() {
	c, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		os.Exit(1)
	}
	go x_silent(c)
	x_started()
	for i := 0; ; i++ {
		go x_dial(i)
		x_count(1)
		time.Sleep(P_every * time.Millisecond)
	}
}
