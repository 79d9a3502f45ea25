// SPDX-License-Identifier: Apache-2.0

// Matrix products on all cores.
package main

import "runtime"

const x_side = P_side

type x_matrix [x_side][x_side]float64

//go:noinline
func x_multiply(a, b, c *x_matrix) {
	for i := range a {
		for j := range b {
			sum := 0.0
			for k := range b {
				sum += a[i][k] * b[k][j]
			}
			c[i][j] = sum
		}
	}
}

func x_worker(seed int) {
	a, b, c := new(x_matrix), new(x_matrix), new(x_matrix)
	for i := range a {
		for j := range a[i] {
			a[i][j], b[i][j] = float64(i+j+seed), float64(i-j)
		}
	}
	for {
		x_multiply(a, b, c)
		x_count(1)
	}
}

func main() {
	for i := 0; i < runtime.NumCPU(); i++ {
		go x_worker(i)
	}
	x_started()
	select {}
}
