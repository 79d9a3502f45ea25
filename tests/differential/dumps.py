#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Dumps that gperftools and jemalloc write about a C program whose truth is known.

    dumps.py OSPREY SOURCE

tests/targets/c/keeps_and_burns.c runs with each library preloaded. gperftools' dumps are held against go tool pprof too,
jemalloc's against jeprof. What is not installed is skipped. TAP on stdout.
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

import peer
from tap import Tap

LARGE, SMALL = 26214400, 3072000


def library(name):
    found = glob.glob(f"/usr/lib/*/{name}*") + glob.glob(f"/usr/lib/{name}*")
    return next((p for p in sorted(found) if re.search(r"\.so(\.\d+)?$", p)), None)


def run(*command, **more):
    env = dict(os.environ, PPROF_TMPDIR=tempfile.gettempdir(), TZ="UTC", HOME="/nonexistent", **more)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def flat(text):
    """{name: flat number} of -top."""
    return {m.group(2): int(m.group(1)) for m in re.finditer(r"^ *(\d+)\w* +[\d.]+% +[\d.]+% +\S+ +[\d.]+% +(.*)$", text, re.M)}


def same_as_peer(t, osprey, dump, what):
    command, why = peer.find()
    if not command:
        t.skip(f"{what}: as go tool pprof reads it", why)
        return
    for flags in (["-raw"], ["-top", "-addresses"], ["-traces"]):
        theirs, ours = (run(*tool, *flags, "-symbolize=none", dump) for tool in (command, [osprey, "pprof"]))
        t.case(f"{what}: {' '.join(flags)} as go tool pprof's", theirs.stdout == ours.stdout and theirs.stdout != "",
               ours.stderr, theirs.stdout, ours.stdout)


def tcmalloc(t, osprey, program, folder):
    lib = library("libtcmalloc.so")
    if not lib:
        return t.skip("tcmalloc's heap dump", "no libtcmalloc here")
    run(program, LD_PRELOAD=lib, HEAPPROFILE=os.path.join(folder, "tc"))
    dump = max(glob.glob(os.path.join(folder, "tc.*.heap")), default="")
    got = run(osprey, "pprof", "-top", "-unit=B", "-sample_index=space", dump)
    sums = flat(got.stdout)
    t.case("tcmalloc's heap dump tells the truth", sums.get("keep_large") == LARGE and sums.get("keep_small") == SMALL,
           got.stdout, got.stderr)
    same_as_peer(t, osprey, dump, "tcmalloc's heap dump")


def cpu(t, osprey, program, folder):
    lib = library("libprofiler.so")
    if not lib:
        return t.skip("gperftools' CPU profile", "no libprofiler here")
    dump = os.path.join(folder, "cpu.prof")
    run(program, LD_PRELOAD=lib, CPUPROFILE=dump)
    got = run(osprey, "pprof", "-top", "-sample_index=samples", dump)
    sums = flat(got.stdout)
    t.case("gperftools' CPU profile has burn on top", max(sums, key=sums.get, default="") == "burn", got.stdout, got.stderr)
    same_as_peer(t, osprey, dump, "gperftools' CPU profile")


def jemalloc(t, osprey, program, folder):
    lib = library("libjemalloc.so")
    if not lib:
        return t.skip("jemalloc's heap dump", "no libjemalloc here")
    done = run(program, LD_PRELOAD=lib, MALLOC_CONF=f"prof:true,prof_final:true,lg_prof_sample:15,prof_prefix:{folder}/je")
    dump = max(glob.glob(os.path.join(folder, "je.*.heap")), default="")
    if not dump:
        return t.skip("jemalloc's heap dump", f"this jemalloc writes none: {done.stderr.strip()[:80]}")
    got = run(osprey, "pprof", "-top", "-unit=B", "-sample_index=space", dump)
    sums = flat(got.stdout)
    t.case("jemalloc's heap dump tells the truth, but for sampling",
           abs(sums.get("keep_large", 0) / LARGE - 1) < 0.2 and abs(sums.get("keep_small", 0) / SMALL - 1) < 0.5,
           got.stdout, got.stderr)
    if not shutil.which("jeprof"):
        return t.skip("jemalloc's heap dump as jeprof reads it", "no jeprof here")
    theirs = run("jeprof", "--text", "--show_bytes", program, dump).stdout
    for name in ("keep_large", "keep_small"):
        m = re.search(rf"^ *(\d+) .* {name}$", theirs, re.M)
        t.case(f"jemalloc's heap dump: {name} as in jeprof", m is not None and abs(int(m.group(1)) - sums.get(name, 0)) <= 1,
               theirs, got.stdout)


def main(words):
    osprey, source = os.path.abspath(words[0]), os.path.abspath(words[1])
    t = Tap()
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "keeps_and_burns")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-g", "-o", program, source], check=True)
        for part in (tcmalloc, cpu, jemalloc):
            part(t, osprey, program, folder)
    return t.end()


sys.exit(main(sys.argv[1:]))
