// SPDX-License-Identifier: Apache-2.0

// Two goroutines start a command again and again.
package main

import "os/exec"

type X_Probe struct{ path string }

//go:noinline
func (p *X_Probe) X_Check() bool {
	return exec.Command(p.path).Run() == nil
}

func (p *X_Probe) x_watch() {
	for {
		if p.X_Check() {
			x_count(1)
		}
	}
}

func main() {
	for i := 0; i < P_watchers; i++ {
		go (&X_Probe{"/bin/true"}).x_watch()
	}
	x_started()
	select {}
}
