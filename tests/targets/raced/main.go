// SPDX-License-Identifier: Apache-2.0

// Built with the race detector, whose functions run on the thread's own stack: nearly every load, store, lock, channel
// and allocation calls them.
//
// Truth: all that inner() calls is below main.main.func1 and outer().
package main

import (
	"fmt"
	"os"
	"sync"
)

type item struct{ key, value int }

var mu sync.Mutex

//go:noinline
func inner(all []item, n int) (sum int) {
	for i := range all {
		all[i].value += n
		sum += all[i].value
	}
	return sum
}

//go:noinline
func outer(all []item, n int) int {
	mu.Lock()
	defer mu.Unlock()
	return inner(all, n)
}

func main() {
	for g := 0; g < 3; g++ {
		go func() {
			all := make([]item, 1000)
			for i := 0; ; i++ {
				outer(all, i)
				c := make(chan int, 1)
				c <- i
				<-c
				if i%100 == 0 {
					all = append([]item(nil), all...)
				}
			}
		}()
	}
	fmt.Println("ready", os.Getpid())
	select {}
}
