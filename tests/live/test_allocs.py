#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey record -e malloc` and `-e go-allocs` on programs that ask for memory at a known ratio: by the C library's malloc, one
that is linked in, jemalloc and tcmalloc; by Go. Usage: test_allocs.py OSPREY FOLDER

FOLDER is where tests/targets/build.sh puts the programs. Needs Go and BPF; else it is skipped, and says why. Prints TAP."""
import glob
import os
import pathlib
import subprocess
import sys
import tempfile

import stacks
from ready import build_targets, need_bpf
from tap import Tap

EDGES = 40  # calls: a window opens and ends in the middle of a round


def recorded(osprey, program, events, profile, **env):
    """The summary's lines, while the program runs, and whether it goes on."""
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True, env={**os.environ, **env}) as child:
        try:
            child.stdout.readline()
            done = subprocess.run([osprey, "record", "-e", events, "-d", "3", "-o", profile, str(child.pid)],
                                  capture_output=True, text=True, timeout=120)
            return done, child.poll() is None
        finally:
            child.kill()


def by_function(profile, index, names, unit=None):
    """Values by the one of these functions that is on the stack, and all of them."""
    found, rows = dict.fromkeys(names, 0), stacks.read(profile, index, unit)
    for s in rows:
        for name in names:
            if name in s.frames:
                found[name] += s.value
    return found, sum(s.value for s in rows)


def in_c(tap, name, osprey, program, profile, **env):
    done, alive = recorded(osprey, program, "malloc", profile, **env)
    tap.case(f"{name}: recorded, and the program goes on", done.returncode == 0 and alive, done)
    if done.returncode:
        return
    calls, every = by_function(profile, "malloc", ("keep", "use", "others"))
    left, unfreed = by_function(profile, "unfreed", ("keep", "use", "others"))
    tap.case(f"{name}: calls by function are as they are",
             every > 10 * EDGES and all(abs(calls[f] - every * n / 15) < EDGES for f, n in (("keep", 3), ("use", 10), ("others", 2))),
             every, calls)
    tap.case(f"{name}: what is not freed is keep's", abs(left["keep"] - calls["keep"]) < EDGES and unfreed - left["keep"] < EDGES,
             unfreed, left, calls)


def in_go(tap, name, osprey, program, profile):
    done, alive = recorded(osprey, program, "go-allocs", profile)
    tap.case(f"{name}: recorded, and the program goes on", done.returncode == 0 and alive, done)
    if done.returncode:
        return
    samples, every = by_function(profile, "go-allocs", ("main.large", "main.small"))
    tap.case(f"{name}: each sample is of one of the two", every > 200 and sum(samples.values()) == every, every, samples)
    parts, every = by_function(profile, "go-alloc-bytes", ("main.large", "main.small"), "B")
    tap.case(f"{name}: three of four bytes are main.large's", every > 0 and 0.7 < parts["main.large"] / every < 0.8, parts)


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    need_bpf(osprey, "record", "-e", "off-cpu", "-o", "/dev/null")
    build_targets(folder, "mallocs", "mallocs-static", "allocs", "allocs-stripped")
    tap = Tap()
    with tempfile.TemporaryDirectory() as work:
        profile = os.path.join(work, "p.pb.gz")
        in_c(tap, "the C library's malloc", osprey, folder / "mallocs", profile)
        in_c(tap, "static", osprey, folder / "mallocs-static", profile)
        for lib in ("libjemalloc.so.2", "libtcmalloc_minimal.so.4"):
            path = glob.glob(f"/usr/lib/*/{lib}")
            if path:
                in_c(tap, lib, osprey, folder / "mallocs", profile, LD_PRELOAD=path[0])
            else:
                tap.skip(f"{lib}: calls by function are as they are", "it is not installed")
        in_go(tap, "Go", osprey, folder / "allocs", profile)
        in_go(tap, "Go, stripped", osprey, folder / "allocs-stripped", profile)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
