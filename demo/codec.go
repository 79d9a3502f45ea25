// SPDX-License-Identifier: Apache-2.0

package main

// #include "codec.h"
import "C"

// Decode decodes a stream and returns a checksum of its last frame.
func Decode(seed uint64, frames int) uint64 {
	return uint64(C.codec_decode(C.uint64_t(seed), C.int(frames)))
}

// CodecTimes is the CPU time spent in parts of the codec since the start, in nanoseconds.
func CodecTimes() map[string]uint64 {
	var t C.codec_times
	C.codec_read_times(&t)
	return map[string]uint64{"blocks": uint64(t.blocks_ns), "deblock": uint64(t.deblock_ns)}
}
