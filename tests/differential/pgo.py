#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A profile of a Go program, as `osprey convert` writes it for the compiler: `go build -pgo` takes it.

    pgo.py OSPREY

TAP on stdout; skipped where there is no Go.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TEST = """package main

import "testing"

func work(n int) (s int) {
	for i := 0; i < n; i++ {
		s += i % (n - i + 1)
	}
	return s
}

func BenchmarkWork(b *testing.B) {
	for i := 0; i < b.N; i++ {
		work(1000000)
	}
}
"""


def run(cwd, *command):
    env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=mod")
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=280)


def main():
    osprey = str(pathlib.Path(sys.argv[1]).resolve())
    print("1..2")
    if not shutil.which("go"):
        print("ok 1 - go build -pgo # SKIP no Go here\nok 2 - the peer reads the same # SKIP no Go here")
        return 0
    with tempfile.TemporaryDirectory() as d:
        d = pathlib.Path(d)
        (d / "go.mod").write_text("module prog\n\ngo 1.20\n")
        (d / "main.go").write_text("package main\n\nfunc main() { println(1) }\n")
        (d / "main_test.go").write_text(TEST)
        made = run(d, "go", "test", "-bench=.", "-benchtime=100x", "-cpuprofile=cpu.pb.gz")
        told = run(d, osprey, "convert", "cpu.pb.gz", "default.pgo")
        built = run(d, "go", "build", "-pgo=default.pgo", "-o", "prog", ".")
        used = run(d, "go", "version", "-m", "prog").stdout
        ok = built.returncode == 0 and "-pgo=" in used
        print("ok" if ok else "not ok", "1 - go build -pgo takes what osprey wrote and says so in the binary")
        why = made.stderr + told.stderr + built.stderr + used
        tops = [run(d, "go", "tool", "pprof", "-top", f).stdout for f in ("cpu.pb.gz", "default.pgo")]
        same = tops[0] == tops[1] != ""
        print("ok" if same else "not ok", "2 - go tool pprof reads in it what it reads in the original")
        if not (ok and same):
            print("# " + why.replace("\n", "\n# "))
    return 0 if ok and same else 1


sys.exit(main())
