// SPDX-License-Identifier: Apache-2.0

// A map of pointers to structs with pointers, steadily replaced.
package main

import "time"

type X_User struct {
	name   *string
	friend *X_User
	scores []*int
}

type X_Directory struct{ users map[int]*X_User }

var x_line []byte

//go:noinline
func (d *X_Directory) X_Replace(id int) {
	name, score := "user", id
	x_line = make([]byte, 600)
	d.users[id] = &X_User{name: &name, friend: d.users[id/2], scores: []*int{&score}}
	if old := d.users[id/2]; old != nil {
		old.friend = nil
	}
}

func main() {
	d := &X_Directory{users: make(map[int]*X_User)}
	for i := 0; i < P_users; i++ {
		d.X_Replace(i)
	}
	x_started()
	for i := 0; ; i++ {
		d.X_Replace(int(uint32(i*2654435761)) % P_users)
		if i%5000 == 0 {
			x_count(5000)
			time.Sleep(50 * time.Microsecond)
		}
	}
}
