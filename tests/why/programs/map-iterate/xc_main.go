// SPDX-License-Identifier: Apache-2.0

// A whole map is walked to find one value.
package main

type X_Member struct {
	mail string
	age  int
}

type X_Club struct{ members map[int]X_Member }

//go:noinline
func (c *X_Club) X_ByAge(age int) (id int) {
	for k, m := range c.members {
		if m.age == age {
			id = k
		}
	}
	return id
}

func main() {
	c := &X_Club{map[int]X_Member{}}
	for i := 0; i < P_members; i++ {
		c.members[i*7] = X_Member{"m", i}
	}
	x_started()
	for i := 0; ; i++ {
		c.X_ByAge(i % P_members)
		x_count(1)
	}
}
