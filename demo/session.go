// SPDX-License-Identifier: Apache-2.0

package main

import "sync/atomic"

// framesPerStream keeps the codec busy for some seconds a call.
const framesPerStream = 1500

// A Session transcodes one stream after the other.
type Session struct {
	Name    string
	streams int64
	sum     uint64
}

// Streams is how many streams are done.
func (s *Session) Streams() int64 { return atomic.LoadInt64(&s.streams) }

// Run transcodes for ever.
func (s *Session) Run() {
	for seed := uint64(1); ; seed++ {
		s.Transcode(seed)
	}
}

// Transcode decodes one stream: one call into C.
func (s *Session) Transcode(seed uint64) {
	s.sum ^= Decode(seed, framesPerStream)
	atomic.AddInt64(&s.streams, 1)
}
