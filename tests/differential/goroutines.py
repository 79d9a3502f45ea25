#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stacks of goroutines as text against the goroutine profile that the same program writes at the same moment.

    goroutines.py OSPREY

A Go program parks goroutines in all kinds of waits, writes its goroutine profile as protobuf and as text (debug=2), and is
then killed by SIGQUIT. Both texts must give the stacks that the protobuf has, but for frames of the runtime, which the text
leaves out. TAP on stdout.
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM = r"""
package main

import (
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

type list[T any] struct{ in chan T }

func (l *list[T]) take() T { return <-l.in }

func inlined(c chan int) int { return <-c }

func deep(n int, c chan int) {
	if n == 0 {
		inlined(c)
		return
	}
	deep(n-1, c)
}

func main() {
	c, l := make(chan int), &list[string]{make(chan string)}
	var mu sync.Mutex
	var wg sync.WaitGroup
	cond := sync.NewCond(&sync.Mutex{})
	mu.Lock()
	wg.Add(1)
	for i := 0; i < 5; i++ {
		go func() { l.take() }()
		go func(x [4]int, s string, f float64, e interface{}) { inlined(c); println(x[0], s, f, e) }([4]int{1}, "a(b", 1.5, i)
		go mu.Lock()
		go wg.Wait()
		go deep(20+i%2, c)
		go func() { defer func() { inlined(c) }(); panic(nil) }()
		go func() { cond.L.Lock(); cond.Wait() }()
		go func() { select {} }()
		go func() { runtime.LockOSThread(); time.Sleep(time.Hour) }()
	}
	go deep(150, c)
	r, _, _ := os.Pipe()
	go r.Read(make([]byte, 1))
	time.Sleep(300 * time.Millisecond)
	for _, debug := range []int{0, 2} {
		f, _ := os.Create(os.Args[1+debug/2])
		pprof.Lookup("goroutine").WriteTo(f, debug)
		f.Close()
	}
	syscall.Kill(syscall.Getpid(), syscall.SIGQUIT)
	time.Sleep(time.Hour)
}
"""


def stacks(osprey, path):
    """Stacks but for the runtime's frames and the goroutine that writes, counted."""
    done = subprocess.run([osprey, "convert", "-f", "folded", path, "-"], capture_output=True, text=True, timeout=60)
    if done.returncode:
        return done.stderr
    found = collections.Counter()
    for line in done.stdout.splitlines():
        stack, n = line.rsplit(" ", 1)
        # The text says [...] for type arguments, and a dying program shows the wrappers of `go f(x)`.
        frames = [re.sub(r"\[.*\]$|\[.*\](?=\)?\.)", "[...]", f) if not f.startswith("[") else f for f in stack.split(";")]
        frames = [f for f in frames if not f.startswith("runtime.") and not re.search(r"gowrap\d+$|dwrap", f)]
        if frames and frames[0] == "main.main":
            continue
        if "[frames elided]" in frames:  # 50 of each end are printed
            frames = ["many", *frames[-40:]]
        elif len(frames) > 100:
            frames = ["many", *frames[-40:]]
        found[";".join(frames)] += int(n)
    found.pop("", None)
    return found


def main(words):
    osprey = os.path.abspath(words[0])
    print("1..2")
    if not shutil.which("go"):
        for n in (1, 2):
            print(f"ok {n} - stacks of goroutines # SKIP no Go here")
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "main.go"), "w", encoding="utf-8") as f:
            f.write(PROGRAM)
        env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=mod", GO111MODULE="off", CGO_ENABLED="0")
        program = os.path.join(folder, "parked")
        subprocess.run(["go", "build", "-o", program, "main.go"], cwd=folder, env=env, check=True)
        proto, text = os.path.join(folder, "goroutines.pb.gz"), os.path.join(folder, "debug2.txt")
        died = subprocess.run([program, proto, text], capture_output=True, timeout=60,
                              env=dict(os.environ, GODEBUG="panicnil=1", GOTRACEBACK="all"))
        quit_text = os.path.join(folder, "sigquit.txt")
        with open(quit_text, "wb") as f:
            f.write(died.stderr)
        want = stacks(osprey, proto)
        for n, (path, what) in enumerate([(text, "debug=2"), (quit_text, "SIGQUIT")], 1):
            got = stacks(osprey, path)
            same = isinstance(want, collections.Counter) and got == want and len(want) > 8
            failed += not same
            print(f"{'ok' if same else 'not ok'} {n} - {what} has the stacks of the protobuf")
            if not same:
                for stack in sorted(set(want) ^ set(got) if isinstance(got, collections.Counter) else [got])[:20]:
                    print(f"#   {stack[:200]}: {want[stack] if isinstance(want, collections.Counter) else want}, text {got[stack] if isinstance(got, collections.Counter) else 0}")
    return failed > 0


sys.exit(main(sys.argv[1:]))
