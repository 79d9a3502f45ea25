// SPDX-License-Identifier: Apache-2.0

package main

import "time"

var start = time.Now()

// Built, and looked into, but never run.
func used() time.Duration { return time.Since(start) }
