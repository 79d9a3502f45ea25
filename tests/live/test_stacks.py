#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Complete stacks of programs made to be hard to unwind (tests/targets: torture, hard). Usage: test_stacks.py OSPREY
FOLDER [NAME...]

A stack must reach its root by osprey's own count, and must be possible by the machine code of the program
(edges.py). The torture of Go is built with each release of OSPREY_GO_RELEASES ("go1.16.15 go1.22.12 …", toolchains
that the go command fetches or has), else with the Go at hand alone. Needs Go, and the right to sample by BPF; else it
is skipped, and says why. Prints TAP."""
import collections
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import edges
import stacks
import test_sampler
from ready import TARGETS, build_targets
from tap import Tap

COMPLETE = 0.999
LEAST = 2000 # samples; fewer cannot tell one in a thousand


def share_of(found, test):
    return stacks.share(found, test) if found else 0.0


def too_few(share, n, least):
    """Is this share of n samples less than chance makes of one that is large enough?"""
    return (1 - share) * n > (1 - least) * n + 3 * math.sqrt((1 - least) * n)


def has_root(*names, least=COMPLETE):
    """Every stack with one of these functions has the others around it: (function, root to leaf)."""
    def check(found):
        bad = []
        for function, chain in names:
            those = [s for s in found if function in s.frames]
            share = share_of(those, lambda s: s.has(*chain))
            if not those:
                bad.append(f"{function} was never seen")
            elif too_few(share, len(those), least):
                bad.append(f"{share:.2%} of {function} has {chain}: " +
                           str(next(s.frames for s in those if not s.has(*chain))))
        return bad
    return check


GO = has_root(("main.run", ("runtime.goexit", "main.run")),
              ("main.down", ("runtime.goexit", "main.run", "main.down")),
              ("main.panics", ("runtime.goexit", "main.worker", "main.run", "main.panics")))


def below(*roots):
    """Every stack of burn() has one of these around it; every other check is of the counts and the machine code."""
    def check(found):
        those = [s for s in found if "burn" in s.frames]
        share = share_of(those, lambda s: any(r in s.frames for r in roots))
        return [] if those and not too_few(share, len(those), COMPLETE) else [f"{share:.2%} of burn is below one of {roots}"]
    return check


def whole_below(burn, *roots, least=COMPLETE):
    """Every stack with a function of that name has one of these chains around it, root to leaf. A compiler, a package or a
    place may have put more to the names."""
    def chained(stack, chain):
        rest = iter(stack.frames[::-1])
        return all(any(want in frame for frame in rest) for want in chain)

    def check(found):
        those = [s for s in found if any(burn in f for f in s.frames)]
        bad = [s for s in those if not any(chained(s, chain) for chain in roots)]
        if those and sum(s.value for s in bad) <= (1 - least) * sum(s.value for s in those):
            return []
        return [f"{len(bad)} of {len(those)} stacks of {burn}: {[s.frames for s in bad][:1]}"]
    return check


LIBRARY = whole_below("main.burn", ("main", "calls", "runtime.cgocallback", "main.GoWork", "main.leaf"),
                      ("runtime.goexit", "main.GoWork.func1", "main.leaf"))
PLUGIN = whole_below("plugin.burn", ("runtime.goexit", "main.main", "plugin.Work", ".down", ".down"),
                     ("runtime.goexit", "Work.func1", ".down", ".down"))
RUST = whole_below("work::burn", ("main", "work::main", "work::down", "work::down"),
                   ("main", "work::main", "work::More as work::Visit>::visit"), ("start_thread", "work::down"))
# V8 may have put turn into its caller.
JAVASCRIPT = whole_below("mid ", ("main", "Builtins_JSEntry", "turn ", "walk ", "mid "),
                         ("main", "Builtins_JSEntry", "processImmediate ", "walk ", "mid "))
C = below("main", "own_stack", "start_thread", "own_thread")
# V8's functions call builtins that build the frame for them.
PROLOGUES = 0.99

# name, command, frequency, seconds, check, share of complete stacks
def one_root(found):
    """Without names: all stacks have the same root. A wrong caller that is read as 0 would look like an end, too."""
    roots = collections.Counter()
    for one in found:
        roots[one.frames[-1]] += one.value
    (root, most), = roots.most_common(1)
    return [] if most > 0.998 * sum(roots.values()) else [f"roots: {roots.most_common(5)}"]


CASES = [
    ("Go without cgo", ["torture"], 2999, 4, GO, COMPLETE),
    ("Go with C, callbacks and threads of C", ["torture-cgo"], 2999, 4, GO, COMPLETE),
    ("Go with the race detector", ["raced"], 2999, 4,
     has_root(("main.inner", ("runtime.goexit", "main.main.func1", "main.outer", "main.inner"))), COMPLETE),
    ("C without frame pointers", ["hard", "all"], 2999, 4, C, COMPLETE),
    ("500 frames of C", ["hard", "deep"], 2999, 2, C, COMPLETE),
    ("longjmp", ["hard", "longjmp"], 2999, 2, C, COMPLETE),
    ("signal handlers in signal handlers", ["hard", "signals"], 2999, 2, C, COMPLETE),
    ("vfork", ["hard", "vfork"], 2999, 2, C, COMPLETE),
    ("a realigned stack", ["hard", "realigned"], 2999, 2, C, COMPLETE),
    ("stacks made by makecontext", ["hard", "contexts"], 2999, 2, C, COMPLETE),
    ("C without any tables", ["hard-bare", "deep"], 2999, 2, C, COMPLETE),
    ("signal handlers without any tables", ["hard-bare", "signals"], 2999, 2, C, COMPLETE),
    ("musl, static and stripped", ["hard-musl", "library"], 2999, 2, one_root, COMPLETE),
    ("a Go library in a C program", ["library-host", "libgowork.so"], 2999, 2, LIBRARY, COMPLETE),
    ("a Go plugin", ["plugin-host", "work-plugin.so"], 2999, 2, PLUGIN, COMPLETE),
    ("Rust", ["rust"], 2999, 2, RUST, COMPLETE),
    ("JavaScript, names by a map", ["node", "--perf-basic-prof", "work.js"], 2999, 2, JAVASCRIPT, PROLOGUES),
    ("JavaScript, names by a jitdump", ["node", "--perf-prof", "work.js"], 2999, 2, JAVASCRIPT, PROLOGUES),
    ("C++ exceptions", ["hard-exceptions"], 2999, 3, has_root(("thrower(int)", ("main", "throws()", "thrower(int)"))),
     COMPLETE),
]


def record(osprey, command, hz, seconds, profile, *extra):
    """Sample a target; what osprey says of it, what is wrong already."""
    child, out = test_sampler.start(command)
    done = subprocess.run([osprey, "record", str(child.pid), "-F", str(hz), "-d", str(seconds), "-o", profile, "--json",
                           *extra], capture_output=True, text=True, check=False)
    alive = child.poll() is None
    test_sampler.stop(child, out)
    if done.returncode:
        return None, [f"exit status {done.returncode}: {done.stderr.strip()}"]
    return json.loads(done.stdout), [] if alive else ["the target is dead"]


def judge(said, profile, check, least):
    """What is wrong with a recording."""
    complete, samples = said["complete"], said["samples"]
    cut = {why: n for why, n in said["truncated"].items() if n}
    print(f"# {samples} samples, {complete / max(1, samples):.5f} complete, cut: {cut or 'none'}")
    bad = [] if samples >= LEAST else [f"only {samples} samples"]
    if too_few(complete / max(1, samples), samples, least):
        bad.append(f"{complete} of {samples} complete: {cut}")
    wrong, total, why = edges.wrong(profile)
    if wrong > (1 - COMPLETE) * total:
        bad += [f"{wrong} of {total} stacks are impossible"] + [f"{n} {line}" for line, n in why.most_common(5)]
    return bad + check(stacks.read(profile))


def run_case(osprey, case, command, work):
    _, _, hz, seconds, check, least = case
    profile = os.path.join(work, "p.pb.gz")
    for longer in (1, 3, 9):  # a crowded host gives fewer samples a second
        said, bad = record(osprey, command, hz, longer * seconds, profile)
        if not said or said["samples"] >= LEAST:
            break
    return bad + judge(said, profile, check, least) if said else bad


def built_by(release, name, folder):
    """The torture built by a release of Go; None where that cannot be had."""
    program = folder / f"{name}-{release}"
    env = dict(os.environ, GOTOOLCHAIN=release, CGO_ENABLED="1" if name.endswith("cgo") else "0", GOFLAGS="-mod=mod")
    # Go 1.19 cannot build inside a module cache, where the go command keeps its toolchains.
    root = subprocess.run(["go", "env", "GOROOT"], env=env, cwd=TARGETS, capture_output=True, text=True, check=False)
    if root.returncode:
        return None
    env["GOROOT"] = root.stdout.strip()
    done = subprocess.run(["go", "build", "-o", str(program), "./torture"], env=env, cwd=TARGETS, check=False,
                          capture_output=True, text=True)
    return str(program) if done.returncode == 0 else None


def main():
    osprey, folder, only = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute(), sys.argv[3:]
    build_targets(folder, "c-compute", *sorted({w for c in CASES for w in c[1]}))
    tap = Tap()
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work) # where node puts its jitdump
        said, bad = record(osprey, [str(folder / "c-compute")], 99, 0.3, os.path.join(work, "probe.pb.gz"))
        if not said or not said["bpf"]:
            print(f"1..0 # SKIP this user cannot sample by BPF here: {said['gave_up'] if said else bad}")
            return 0
        for case in CASES:
            if only and case[1][0] not in only:
                continue
            command = [str(folder / word) if (folder / word).exists() else word for word in case[1]]
            if shutil.which(command[0]):
                wrong = run_case(osprey, case, command, work)
                tap.same(case[0], wrong)
            else:
                tap.skip(case[0], f"{case[1][0]} is not installed, or no compiler for it")
        for release in os.environ.get("OSPREY_GO_RELEASES", "").split():
            for case in CASES:
                if not case[1][0].startswith("torture") or (only and case[1][0] not in only):
                    continue
                program = built_by(release, case[1][0], folder)
                if program:
                    tap.same(f"{case[0]}, {release}", run_case(osprey, case, [program, *case[1][1:]], work))
                else:
                    tap.skip(f"{case[0]}, {release}", f"{release} cannot be had or does not build here")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
