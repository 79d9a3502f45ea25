// SPDX-License-Identifier: Apache-2.0

// A few bytes of each message are kept, and with them the whole message.
package main

import (
	"strings"
	"time"
)

type X_Seen struct{ ids map[string]int }

func x_receive(id int) string {
	var b strings.Builder
	for b.Len() < P_kb<<10 {
		b.WriteString("payload ")
		b.WriteByte(byte('a' + id%26))
		b.WriteByte(byte('a' + id/26%26))
		b.WriteByte(byte('a' + id/676%26))
		b.WriteByte(byte('a' + id/17576%26))
	}
	return b.String()
}

//go:noinline
func (s *X_Seen) X_Note(message string) {
	s.ids[message[8:12]]++
}

func main() {
	s := &X_Seen{map[string]int{}}
	x_started()
	for i := 0; ; i++ {
		s.X_Note(x_receive(i))
		x_count(1)
		time.Sleep(P_ms * time.Millisecond)
	}
}
