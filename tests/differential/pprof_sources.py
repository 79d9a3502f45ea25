#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""-list of real programs, whose sources lie in a module cache, a vendor directory, or are C behind cgo: the bytes must be those of
go tool pprof. Where a build was trimmed or its directory moved, the peer finds nothing by itself: it is told where to look (or
asked before the move), and osprey must find the same alone.

    pprof_sources.py OSPREY

Nothing is fetched: the module comes from a proxy made of files. TAP on stdout; without Go a skip with its reason.
"""
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

import peer
from tap import Tap

DEP = """package burn

// Sum is what takes the time.
//
//go:noinline
func Sum(n int) (s int) {
	for i := 0; i < n; i++ {
		s = s*31 + twist(i)
	}
	return s
}

func twist(v int) int {
	return v ^ v>>3
}
"""

MAIN = """package main

import (
	"fmt"
	"os"
	"runtime/pprof"
	"sort"
	"syscall"
	"time"

	"example.com/Odd/burn"
)

//go:noinline
func mine(n int) (s int) {
	v := make([]int, n)
	for i := range v {
		v[i] = (i * 7919) % 1013
	}
	sort.Ints(v)
	return v[n/2]
}

// used is the time that a busy machine has given us so far.
func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano())
}

func main() {
	f, _ := os.Create(os.Args[1])
	pprof.StartCPUProfile(f)
	t := 0
	for used() < 500*time.Millisecond {
		t += burn.Sum(100000) + mine(5000)EXTRA
	}
	pprof.StopCPUProfile()
	f.Close()
	fmt.Println(t)
}
"""

C = """
int spin(int n)
{
    volatile int s = 0;
    for (int i = 0; i < n; i++)
        s = s * 31 + i;
    return s;
}
"""

VERSION = "example.com/Odd/burn@v1.2.3"
CACHED = "example.com/!odd/burn"  # as the module cache writes capitals
PATTERNS = [r"^main\.", "burn", "sort|pdq|runtime", "."]


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def make_proxy(root):
    """A GOPROXY of files that has the module."""
    at = os.path.join(root, CACHED, "@v")
    mod = "module example.com/Odd/burn\n\ngo 1.20\n"
    put(os.path.join(at, "list"), "v1.2.3\n")
    put(os.path.join(at, "v1.2.3.info"), '{"Version":"v1.2.3","Time":"2020-01-01T00:00:00Z"}')
    put(os.path.join(at, "v1.2.3.mod"), mod)
    with zipfile.ZipFile(os.path.join(at, "v1.2.3.zip"), "w") as z:
        z.writestr(VERSION + "/go.mod", mod)
        z.writestr(VERSION + "/burn.go", DEP)


class Place:
    """A directory with a program, a proxy and a module cache of its own."""

    def __init__(self, tmp):
        self.tmp = tmp
        self.app = os.path.join(tmp, "work", "app")
        self.cache = os.path.join(tmp, "cache")
        make_proxy(os.path.join(tmp, "proxy"))
        self.env = dict(os.environ, GOTOOLCHAIN="local", GOPROXY="file://" + os.path.join(tmp, "proxy"), GONOSUMDB="*",
                        GONOSUMCHECK="1", GOFLAGS="-modcacherw", GOSUMDB="off", GOMODCACHE=self.cache, TZ="UTC", GOWORK="off",
                        PPROF_TMPDIR=tmp)
        self.goroot = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
        self.write("", "")

    def write(self, imports, extra):
        text = MAIN.replace("EXTRA", extra)
        put(os.path.join(self.app, "main.go"), text.replace("package main\n", "package main\n" + imports, 1))
        put(os.path.join(self.app, "go.mod"), "module example.com/app\n\ngo 1.20\n\nrequire example.com/Odd/burn v1.2.3\n")

    def go(self, *words):
        done = subprocess.run(["go", *words], cwd=self.app, env=self.env, capture_output=True, text=True)
        return done.returncode == 0, done.stderr

    def measured(self, *flags):
        """Build and run: the profile's path."""
        program, profile = os.path.join(self.tmp, "prog"), os.path.join(self.tmp, "cpu.pb.gz")
        ok, why = self.go("build", *flags, "-o", program, ".")
        if not ok:
            raise RuntimeError(why)
        subprocess.run([program, profile], check=True, stdout=subprocess.DEVNULL)
        return profile

    def ask(self, command, *words, cwd=None):
        done = subprocess.run([*command, *words], cwd=cwd or self.app, env=self.env, capture_output=True, timeout=120)
        return done.returncode, done.stdout


def same_listings(tap, place, osprey, command, what, profile, patterns=PATTERNS, told=()):
    """told: what only the peer must be told."""
    for pattern in patterns:
        question = ["-list=" + pattern, profile]
        want = place.ask(command, *told, *question)
        why = [] if b"ROUTINE" in want[1] else ["the peer lists nothing"]
        tap.same(f"{what} -list={pattern}", why + peer.differences(want, place.ask(osprey, *question)))


def mirror(place):
    """Directories in which the names of a trimmed build are paths, as -source_path."""
    root = os.path.join(place.tmp, "mirror")
    os.makedirs(os.path.join(root, "example.com", "Odd"))
    os.symlink(place.app, os.path.join(root, "example.com", "app"))
    os.symlink(os.path.join(place.cache, CACHED + "@v1.2.3"), os.path.join(root, VERSION))
    return [f"-source_path={root}:{place.goroot}/src"]


def moved(tap, place, osprey, command):
    """The peer is asked before the directory of the program and the module cache move, osprey after it."""
    profile = place.measured()
    want = [place.ask(command, "-list=" + pattern, profile) for pattern in PATTERNS]
    app, cache = place.app, place.cache
    place.app, place.cache = os.path.join(place.tmp, "elsewhere", "app"), os.path.join(place.tmp, "other-cache")
    os.makedirs(os.path.dirname(place.app))
    os.rename(app, place.app)
    os.rename(cache, place.cache)
    place.env["GOMODCACHE"] = place.cache
    for pattern, answer in zip(PATTERNS, want):
        tap.same(f"moved -list={pattern}", peer.differences(answer, place.ask(osprey, "-list=" + pattern, profile)))
    os.rename(place.app, app)
    os.rename(place.cache, cache)
    place.app, place.cache = app, cache
    place.env["GOMODCACHE"] = cache


def with_c(tap, place, osprey, command):
    place.write("\n/*\nint spin(int n);\n*/\nimport \"C\"\n", " + int(C.spin(300000))")
    put(os.path.join(place.app, "spin.c"), C)
    place.env["CGO_ENABLED"] = "1"
    same_listings(tap, place, osprey, command, "cgo", place.measured(), [r"^main\.", "Cfunc|cgocall", "."])


def main(words):
    osprey = [os.path.abspath(words[0]), "pprof"]
    tap = Tap()
    command, why = peer.find()
    if not command:
        tap.skip("-list of real programs", why)
        return tap.end()
    with tempfile.TemporaryDirectory() as tmp:
        place = Place(tmp)
        ok, why = place.go("mod", "tidy")
        if not ok:
            tap.skip("-list of real programs", "Go takes no module from a proxy of files: " + why.replace("\n", " "))
            return tap.end()
        same_listings(tap, place, osprey, command, "module cache", place.measured())
        same_listings(tap, place, osprey, command, "trimmed", place.measured("-trimpath"), told=mirror(place))
        moved(tap, place, osprey, command)
        ok, why = place.go("mod", "vendor")
        tap.case("the module is vendored", ok, why)
        same_listings(tap, place, osprey, command, "vendor", place.measured("-mod=vendor"))
        if shutil.which("gcc"):
            with_c(tap, place, osprey, command)
        else:
            tap.skip("cgo", "no gcc here")
    return tap.end()


sys.exit(main(sys.argv[1:]))
