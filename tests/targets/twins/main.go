// SPDX-License-Identifier: Apache-2.0

// Healthy programs in pure Go, one a name: `twins NAME`. `osprey why` must find nothing wrong with any of them.
package main

import (
	"fmt"
	"os"
	"sort"
	"time"
)

var twins = map[string]func(){}

func main() {
	if len(os.Args) < 2 || twins[os.Args[1]] == nil {
		var names []string
		for name := range twins {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintln(os.Stderr, "usage: twins NAME, one of", names)
		os.Exit(2)
	}
	fmt.Println("ready", os.Getpid())
	twins[os.Args[1]]()
	for {
		time.Sleep(time.Hour)
	}
}
