// SPDX-License-Identifier: Apache-2.0

package main

import "syscall"

func nanosleep(seconds int64) {
	syscall.Nanosleep(&syscall.Timespec{Sec: seconds}, nil)
}
