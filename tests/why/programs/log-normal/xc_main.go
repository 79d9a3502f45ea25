// SPDX-License-Identifier: Apache-2.0

// Some hundred lines a second to a log, and a descriptor opened and closed for each.
package main

import (
	"log"
	"os"
	"time"
)

func x_entry(l *log.Logger, n int) {
	f, err := os.Open("/proc/self/stat")
	if err != nil {
		return
	}
	var b [200]byte
	k, _ := f.Read(b[:])
	f.Close()
	l.Printf("request %d took %d us", n, k)
	x_count(1)
}

func main() {
	f, err := os.Create("p_app.log")
	if err != nil {
		os.Exit(1)
	}
	l := log.New(f, "", log.LstdFlags)
	x_started()
	for i := 0; ; i++ {
		x_entry(l, i)
		time.Sleep(time.Second / P_rate)
	}
}
