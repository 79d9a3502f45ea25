// SPDX-License-Identifier: Apache-2.0

package main

import "runtime/debug"

func x_return() { debug.FreeOSMemory() }
