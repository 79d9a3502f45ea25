// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

// #include "take.h"
import "C"

func inC(kind string, n int) bool { return C.take(C.CString(kind), C.int(n)) != 0 }
