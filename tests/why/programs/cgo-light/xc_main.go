// SPDX-License-Identifier: Apache-2.0

// Some thousand C calls a second.
package main

/*
static unsigned xc_digest(unsigned x, int n)
{
    for (int i = 0; i < n; i++)
        x = x * 1103515245u + 12345u;
    return x;
}
*/
import "C"

import "time"

func main() {
	x_started()
	for x := C.uint(1); ; time.Sleep(10 * time.Millisecond) {
		for i := 0; i < P_rate/100; i++ {
			x = C.xc_digest(x, P_turns)
			x_count(1)
		}
	}
}
