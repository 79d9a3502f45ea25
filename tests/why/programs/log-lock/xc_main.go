// SPDX-License-Identifier: Apache-2.0

// Every item is logged by one logger to a file.
package main

import (
	"log"
	"os"
)

type X_Worker struct {
	id  int
	log *log.Logger
}

//go:noinline
func (w *X_Worker) X_Process(n int) int {
	sum := 0
	for i := 0; i < 200; i++ {
		sum += i * n
	}
	w.log.Printf("worker %d item %d sum %d", w.id, n, sum)
	return sum
}

func (w *X_Worker) x_run() {
	for n := 0; ; n++ {
		w.X_Process(n)
		x_count(1)
	}
}

func main() {
	f, err := os.Create("p_service.log")
	if err != nil {
		os.Exit(1)
	}
	l := log.New(f, "", log.LstdFlags|log.Lmicroseconds)
	for i := 0; i < P_workers; i++ {
		go (&X_Worker{i, l}).x_run()
	}
	x_started()
	select {}
}
