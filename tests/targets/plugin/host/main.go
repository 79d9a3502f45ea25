// SPDX-License-Identifier: Apache-2.0

// Loads a plugin and calls it: host PLUGIN
//
// Truth: see the plugin.
package main

import (
	"fmt"
	"os"
	"plugin"
)

func main() {
	p, err := plugin.Open(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	work, err := p.Lookup("Work")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready", os.Getpid())
	for sum := uint64(0); ; {
		sum += work.(func(int) uint64)(20)
	}
}
