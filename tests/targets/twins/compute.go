// SPDX-License-Identifier: Apache-2.0

package main

import "runtime"

func init() { twins["compute"] = compute }

// Matrix products on all cores.
func compute() {
	for i := 0; i < runtime.NumCPU(); i++ {
		go func() {
			const n = 128
			var a, b, c [n][n]float64
			for i := range a {
				for j := range a[i] {
					a[i][j], b[i][j] = float64(i+j), float64(i-j)
				}
			}
			for {
				multiply(a[:], b[:], c[:])
			}
		}()
	}
}

//go:noinline
func multiply(a, b, c [][128]float64) {
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
