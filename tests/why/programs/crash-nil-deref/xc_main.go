// SPDX-License-Identifier: Apache-2.0

// A method on a nil receiver below several calls, with arguments of all shapes; the program dies.
package main

import (
	"errors"
	"time"
)

type X_Profile struct {
	name   string
	scores []int
	pad    [P_pad]int64
	limit  int
}

type X_Account struct{ profile *X_Profile }

//go:noinline
func (p *X_Profile) X_Limit(scale float64, extra ...int) int {
	return int(scale)*p.limit + len(extra)
}

//go:noinline
func x_price(a *X_Account, name string, parts []string, opts map[string]int, err error) int {
	if err != nil {
		return 0
	}
	return a.profile.X_Limit(1.5, len(parts), len(opts)) + len(name)
}

//go:noinline
func x_order(id int64, flags [3]bool, any interface{}) int {
	a := &X_Account{profile: &X_Profile{limit: 7}}
	if flags[1] {
		a.profile = nil
	}
	return x_price(a, "order", []string{"a", "b"}, map[string]int{"k": 1}, errors.Unwrap(errors.New("no")))
}

func main() {
	x_started()
	for i := int64(0); ; i++ {
		x_count(int64(x_order(i, [3]bool{true, i == P_turn, false}, i)))
		time.Sleep(time.Millisecond)
	}
}
