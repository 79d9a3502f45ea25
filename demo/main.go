// SPDX-License-Identifier: Apache-2.0

// Gateway is what osprey's demo looks at: a small HTTP service whose sessions hand video streams to a codec written in
// C. A call into the codec takes seconds, so Go's own CPU profiler sees little or nothing of it; the C code is compiled
// as C code usually is, without frame pointers.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof" // to compare: what Go's own profiler says
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// A Server keeps the sessions that run and answers questions about them.
type Server struct {
	mu       sync.Mutex
	sessions []*Session
}

// Open starts a session of its own goroutine.
func (s *Server) Open(name string) {
	session := &Session{Name: name}
	s.mu.Lock()
	s.sessions = append(s.sessions, session)
	s.mu.Unlock()
	go session.Run()
}

// Each calls f with every session.
func (s *Server) Each(f func(*Session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		f(session)
	}
}

// serveStats says what each session did, and where the codec's CPU time went by its own clock: the truth that a
// profiler should find.
func (s *Server) serveStats(w http.ResponseWriter, _ *http.Request) {
	answer := map[string]interface{}{"codec_cpu_ns": CodecTimes()}
	s.Each(func(session *Session) { answer[session.Name] = session.Streams() })
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		log.Print(err)
	}
}

// watch does what services do between requests: not much.
func (s *Server) watch() {
	for range time.Tick(200 * time.Millisecond) {
		s.Each(func(session *Session) { session.Streams() })
	}
}

func main() {
	sessions := flag.Int("sessions", 1, "how many sessions transcode at the same time")
	addr := flag.String("addr", "127.0.0.1:0", "where to listen")
	stop := flag.Duration("stop-after", 10*time.Minute, "when to end, whatever happens")
	flag.Parse()

	server := &Server{}
	http.HandleFunc("/stats", server.serveStats)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Fatal(http.Serve(listener, nil)) }()
	for i := 0; i < *sessions; i++ {
		server.Open(fmt.Sprintf("session-%d", i+1))
	}
	go server.watch()
	fmt.Printf("gateway: pid %d, http://%s/stats, %d of its goroutines in a C codec for seconds at a time\n",
		os.Getpid(), listener.Addr(), *sessions)

	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGTERM, syscall.SIGINT)
	select {
	case <-done:
	case <-time.After(*stop):
	}
}
