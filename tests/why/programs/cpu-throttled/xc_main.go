// SPDX-License-Identifier: Apache-2.0

// Bursts of parallel work in a control group that may use half a core.
package main

import (
	"runtime"
	"sync"
	"time"
)

//go:noinline
func x_shade(row []float64, turns int) {
	for t := 0; t < turns; t++ {
		for i := range row {
			row[i] = row[i]*0.99 + float64(i&7)
		}
	}
}

func x_frame(rows [][]float64) {
	var wg sync.WaitGroup
	for _, row := range rows {
		wg.Add(1)
		go func(row []float64) {
			x_shade(row, P_turns)
			wg.Done()
		}(row)
	}
	wg.Wait()
}

func main() {
	runtime.GOMAXPROCS(P_procs)
	rows := make([][]float64, 16)
	for i := range rows {
		rows[i] = make([]float64, 1000)
	}
	x_started()
	for {
		x_frame(rows)
		x_count(1)
		time.Sleep(P_pause * time.Millisecond)
	}
}
