// SPDX-License-Identifier: Apache-2.0

// Some tickers of one second.
package main

import "time"

func x_beat(every time.Duration) {
	for range time.Tick(every) {
		x_count(1)
	}
}

func main() {
	for i := 0; i < P_tickers; i++ {
		time.Sleep(3 * time.Millisecond)
		go x_beat(time.Second)
	}
	x_started()
	select {}
}
