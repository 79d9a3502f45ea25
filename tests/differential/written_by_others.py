#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Profiles that py-spy, pyinstrument and the library of samply wrote, and what py-spy writes now if it is here: the sums by
stack that osprey finds must be those of an independent reading, or those that were put in.

    written_by_others.py OSPREY"""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from tap import Tap

DATA = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data", "forms")
NS = {"seconds": 1e9, "milliseconds": 1e6, "microseconds": 1e3, "nanoseconds": 1}
PROGRAM = """import time
def inner(n): return sum(i * i for i in range(n))
def outer(): return [inner(20000) for _ in range(20)]
end = time.time() + 1
while time.time() < end: outer()
"""


def folded(text):
    """Sums by stack; lines as flamegraph.pl understands them."""
    sums = collections.Counter()
    for line in text.splitlines():
        stack, count = re.fullmatch(r"(.*?) (-?\d+)", line).groups()
        sums[stack] += int(count)
    return sums


def speedscope(path):
    """Sums by stack, in the unit's nanoseconds where it is one of time."""
    with open(path, encoding="utf-8") as f:
        doc = json.load(f)
    names, sums = [frame["name"] for frame in doc["shared"]["frames"]], collections.Counter()
    for p in doc["profiles"]:
        times = NS.get(p["unit"], 1)
        if p["type"] == "sampled":
            for stack, weight in zip(p["samples"], p["weights"]):
                sums[";".join(names[i] for i in stack)] += weight * times
            continue
        open_now, at = [], p["startValue"]
        for event in p["events"]:
            if open_now:  # else it is a gap
                sums[";".join(names[i] for i in open_now)] += (event["at"] - at) * times
            at = event["at"]
            if event["type"] == "O":
                open_now.append(event["frame"])
            else:
                assert open_now.pop() == event["frame"]
    return collections.Counter({stack: n for stack, n in sums.items() if n})


def ours(osprey, path):
    """What osprey finds there, without stacks of nothing."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "a.folded")
        subprocess.run([osprey, "convert", path, out], check=True, capture_output=True)
        with open(out, encoding="utf-8") as f:
            return folded(f.read())


def differences(want, got, slack=0):
    return [f"{stack!r}: {want[stack]}, osprey {got[stack]}" for stack in sorted(set(want) | set(got)) if abs(want[stack] - got[stack]) > slack]


def check(tap, osprey, name, path, want, slack=0):
    got = ours(osprey, path)
    tap.case(name, sum(want.values()) > 0 and not differences(want, got, slack), *differences(want, got, slack)[:10])


def kept(tap, osprey):
    for name in ("py-spy.speedscope.json", "pyinstrument.speedscope.json"):
        path = os.path.join(DATA, name)
        check(tap, osprey, name, path, speedscope(path), slack=50)  # nanoseconds: each event's time is rounded
    path = os.path.join(DATA, "py-spy.folded")
    with open(path, encoding="utf-8") as f:
        check(tap, osprey, "py-spy.folded", path, folded(f.read()))
    with open(os.path.join(DATA, "fxprof.want.folded"), encoding="utf-8") as f:
        want = folded(f.read())
    want.pop("", None)  # samples without a stack are gaps in that form
    check(tap, osprey, "fxprof.firefox.json", os.path.join(DATA, "fxprof.firefox.json"), want)


def written_now(tap, osprey):
    if not shutil.which("py-spy"):
        return tap.skip("what py-spy writes now", "no py-spy here")
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "work.py")
        with open(program, "w", encoding="utf-8") as f:
            f.write(PROGRAM)
        for form, ending in (("speedscope", "speedscope.json"), ("raw", "folded")):
            path = os.path.join(folder, "now." + ending)
            done = subprocess.run(["py-spy", "record", "-r", "100", "-f", form, "-o", path, "--", sys.executable, program], capture_output=True, text=True, check=False)
            if done.returncode or not os.path.exists(path) or os.path.getsize(path) == 0:
                tap.skip(f"py-spy -f {form}", "it could not sample: " + done.stderr.strip()[-100:])
                continue
            if form == "raw":
                with open(path, encoding="utf-8") as f:
                    want = folded(f.read())
            else:
                want = speedscope(path)
            check(tap, osprey, f"py-spy -f {form}, now", path, want, slack=0 if form == "raw" else 50)
    return None


def main(words):
    tap, osprey = Tap(), os.path.abspath(words[1])
    kept(tap, osprey)
    written_now(tap, osprey)
    return tap.end()


sys.exit(main(sys.argv))
