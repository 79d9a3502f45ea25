// SPDX-License-Identifier: Apache-2.0

// The log goes to a pipe whose reader has stopped reading; all workers wait behind the one who writes.
package main

import (
	"log"
	"os"
	"syscall"
	"time"
)

type X_Worker struct{ id int }

//go:noinline
func (w *X_Worker) X_Handle(n int) {
	log.Printf("worker %d handled item %d of the queue, nothing else to say", w.id, n)
	x_count(1)
}

func (w *X_Worker) x_run() {
	for n := 0; ; n++ {
		w.X_Handle(n)
		time.Sleep(time.Millisecond)
	}
}

var x_reader *os.File

func main() {
	r, w, err := os.Pipe()
	if err != nil || syscall.Dup2(int(w.Fd()), 2) != nil {
		os.Exit(1)
	}
	x_reader = r
	for i := 0; i < P_workers; i++ {
		go (&X_Worker{i}).x_run()
	}
	x_started()
	for range time.Tick(time.Second) {
	}
}
