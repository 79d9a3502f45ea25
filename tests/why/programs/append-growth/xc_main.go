// SPDX-License-Identifier: Apache-2.0

// Slices of pointers, built by append from nil each time.
package main

type x_cell struct{ row, col int }

var x_cells [P_items]x_cell

//go:noinline
func x_select(mask int) []*x_cell {
	var out []*x_cell
	for i := range x_cells {
		if x_cells[i].col&mask == 0 {
			out = append(out, &x_cells[i])
		}
	}
	return out
}

func main() {
	for i := range x_cells {
		x_cells[i].row, x_cells[i].col = i, i<<4
	}
	x_started()
	n := 0
	for {
		n += len(x_select(7))
		x_count(1)
	}
}
