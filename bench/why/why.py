#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How soon `osprey why` answers on a large Go+cgo binary, cold: nothing of it is in osprey's or the page cache.

Usage: why.py OSPREY [runs]            (as root: the page cache of the binary is dropped before each run)

The binary is made here: some 60 MB of generated Go packages around a C function that burns a core. Printed: the size,
the wall time of `osprey why PID -d 1 --json` less the second that it observes, the CPU it took, and whether the finding
is the right one."""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

PACKAGES, FUNCTIONS = 60, 700

MAIN = """package main

/*
#cgo CFLAGS: -O2 -g
static __attribute__((noinline)) unsigned long grind(unsigned long x)
{
    for (long i = 0; i < 2000000000; i++)
        x = x * 6364136223846793005ul + 1442695040888963407ul;
    return x;
}
static __attribute__((noinline)) unsigned long mill(unsigned long x) { return grind(x) + 1; }
*/
import "C"

import (
	"fmt"
	"net/http"
	"os"
%s)

//go:noinline
func turn(x uint64) uint64 { return uint64(C.mill(C.ulong(x))) }

func main() {
	go func() { fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:0", nil)) }()
	fmt.Println("ready", os.Getpid())
	x := uint64(1)
	if len(os.Args) > 9 {
%s	}
	for {
		x = turn(x)
	}
}
"""

FUNCTION = """
//go:noinline
func F%(i)d(x uint64, s string) uint64 {
	switch x %% 7 {
	case 0:
		return uint64(len(fmt.Sprintf("%(p)s.%(i)d %%s %%d", s, x))) + x
	case 1:
		m := map[string]uint64{s: x, "k%(i)d": x + %(i)d}
		return m[s] + x
	case 2:
		b := append([]byte(s), "tail%(i)d"...)
		return uint64(len(strings.Split(string(b), ","))) ^ x
	case 3:
		t := T%(i)d{A: x, B: s, C: []uint64{x, %(i)d}}
		return t.Sum() + x
	}
	return F%(next)d(x/7, s+"%(i)d")
}

type T%(i)d struct {
	A uint64
	B string
	C []uint64
}

func (t *T%(i)d) Sum() (n uint64) {
	for i, c := range t.C {
		n += c*uint64(i+%(i)d) + t.A + uint64(len(t.B))
	}
	return
}
"""


def generate(folder):
    os.makedirs(folder)
    with open(os.path.join(folder, "go.mod"), "w") as f:
        f.write("module big\n\ngo 1.18\n")
    imports, calls = "", ""
    for p in range(PACKAGES):
        name = f"p{p:03}"
        os.makedirs(os.path.join(folder, name))
        with open(os.path.join(folder, name, "p.go"), "w") as f:
            f.write(f"package {name}\n\nimport (\n\t\"fmt\"\n\t\"strings\"\n)\n")
            for i in range(FUNCTIONS):
                f.write(FUNCTION % {"i": i, "p": name, "next": (i + 1) % FUNCTIONS})
        imports += f'\t"big/{name}"\n'
        calls += f"\t\tx += {name}.F0(x, os.Args[1])\n"
    with open(os.path.join(folder, "main.go"), "w") as f:
        f.write(MAIN % (imports, calls))


def drop_cache(path):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def main():
    osprey, runs = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as work:
        source, big = os.path.join(work, "big"), os.path.join(work, "big", "big")
        generate(source)
        subprocess.run(["go", "build", "-o", big, "."], cwd=source, check=True)
        size = os.path.getsize(big) / 1e6
        child = subprocess.Popen([big], stdout=subprocess.PIPE, text=True)
        child.stdout.readline()
        wall, cpu, right = [], [], 0
        for _ in range(runs):
            drop_cache(big)
            begin = time.monotonic()
            done = subprocess.Popen([osprey, "why", str(child.pid), "-d", "1", "--json"], stdout=subprocess.PIPE)
            said = json.loads(done.stdout.read())
            _, _, usage = os.wait4(done.pid, 0)
            wall.append(time.monotonic() - begin)
            cpu.append(usage.ru_utime + usage.ru_stime)
            first = said["findings"][0] if said["findings"] else {}
            right += first.get("verdict") == "cgo-cpu-native" and first["culprit"]["func"] == "grind"
        child.kill()
        child.wait()
        print(f"first finding on a {size:.0f} MB Go binary, cold, {runs} runs: {statistics.median(wall):.2f} s wall "
              f"(worst {max(wall):.2f}), of which 1.00 s are observed; {statistics.median(cpu):.2f} s CPU; "
              f"right in {right} of {runs}")


if __name__ == "__main__":
    main()
