#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey record -e wait` on programs that measure their own waits. Usage: test_waits.py OSPREY FOLDER [NAME...]

FOLDER is where tests/targets/build.sh puts the programs. What the program says of each goroutine must be what osprey shows
of it, within the error that osprey prints: five standard errors. Needs Go and the right to read other processes. Prints
TAP."""
import collections
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import stacks
from ready import TARGETS, build_targets, need_go
from tap import Tap

SECONDS, HZ = 4, 97
SIGMAS = 5
# What is left where nothing is random: the clocks around a wait hold a little work, and looks at normal priority read up
# to 2 % high.
BIAS = 0.03

# How Go names what main.waitKIND waits on; what else its goroutine may be seen in there.
REASONS = {
    "Mutex": ("sync.Mutex.Lock", "semacquire"),
    "Chan": ("chan receive",),
    "Select": ("select",),
    "Sleep": ("sleep",),
    "Net": ("IO wait", "system call"),
    "Syscall": ("system call",),
    "Disk": ("system call",),
    "Shrunk": ("sleep",),
}
FOR_A_CPU = re.compile(r"waiting for a CPU$")


class Target:
    """A program of tests/targets/waits that runs and can be asked."""

    def __init__(self, command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.release = self.child.stdout.readline().split()[-1]  # "ready PID go1.26.8"

    def ask(self):
        """Its clock, and by goroutine: kind and ns waited so far."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        now, told = 0, {}
        for line in iter(self.child.stdout.readline, "end\n"):
            word = line.split()
            if word[0] == "now":
                now = int(word[1])
            else:
                told[word[2]] = (word[1], int(word[3]))
        return now, told

    def alive(self):
        return self.child.poll() is None

    def stop(self):
        self.child.kill()
        self.child.communicate()


def record(osprey, pid, work, *more, seconds=SECONDS, event="wait"):
    profile = os.path.join(work, "w.pb.gz")
    done = subprocess.run([osprey, "record", str(pid), "-e", event, "-d", str(seconds), "-o", profile, "--json", *more],
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout), stacks.read(profile, "wait", "ns")


def well_kept(said, target, most_torn=0.005):
    """What must be true of every recording."""
    wait = said["wait"]
    bad = [] if target.alive() else ["the target is dead"]
    if wait["complete"] < 0.999 * (wait["complete"] + sum(wait["truncated"].values())):
        bad.append(f"{wait['complete']} complete, cut: {wait['truncated']}")
    torn = most_torn * wait["goroutines_looked_at"]
    if wait["torn"] > torn + 3 * math.sqrt(torn):
        bad.append(f"{wait['torn']} torn of {wait['goroutines_looked_at']} looks")
    if wait["unreadable"] or wait["lost"] or wait["unreached"]:
        bad.append(f"{wait['unreadable']} not readable, {wait['lost']} lost, {wait['unreached']} not reached")
    return bad


def near(name, got_s, truth, said):
    """got_s seconds against a share of the whole, by its standard error."""
    wait = said["wait"]
    whole, n = wait["duration_ns"] / 1e9, wait["looks"]
    truth = min(max(truth, 0), 1)
    allowed = SIGMAS * whole * math.sqrt(truth * (1 - truth) / n) + BIAS * whole * max(truth, 0.1) + whole / n
    if abs(got_s - truth * whole) <= allowed:
        return []
    return [f"{name}: {got_s:.3f} s shown, {truth * whole:.3f} s true, {allowed:.3f} s allowed"]


def shown_as(kind, found):
    """The state and reason that a goroutine in main.waitKIND has."""
    bad = []
    for s in found:
        reason, state = s.labels.get("reason", ""), s.labels.get("state", "")
        plain = reason.removesuffix(", then waiting for a CPU")
        if plain not in REASONS[kind] and not FOR_A_CPU.search(reason):
            bad.append(f"main.wait{kind} waits on {reason!r}")
        if (plain == "system call" and plain == reason) != (state == "syscall"):
            bad.append(f"main.wait{kind}: {reason!r} in state {state!r}")
        if s.labels.get("op") != kind:
            bad.append(f"main.wait{kind} has labels {s.labels}")
        if not s.has("runtime.goexit", "main.wait" + kind):
            bad.append(f"main.wait{kind} is not whole: {s.frames}")
    return bad[:3]


def truth_told(osprey, target, work, *more):
    """Each goroutine's waits, as it measured them itself."""
    at, before = target.ask()
    said, found = record(osprey, target.child.pid, work, *more)
    until, after = target.ask()
    return well_kept(said, target) + compared(said, found, (at, before), (until, after))


def compared(said, found, asked, asked_again):
    """What a program said twice, and what was seen of it in between."""
    (at, before), (until, after) = asked, asked_again
    bad = []
    shown = collections.defaultdict(list)
    for s in found:
        for frame in s.frames:
            if frame.startswith("main.wait"):
                shown[(frame.removeprefix("main.wait"), s.labels.get("goroutine"))].append(s)
    for goid, (kind, ns) in after.items():
        those = shown.pop((kind, goid), [])
        share = (ns - before[goid][1]) / (until - at)
        bad += near(f"{kind} of goroutine {goid}", sum(s.value for s in those) / 1e9, share, said)
        bad += shown_as(kind, those)
    return bad + [f"seen but not told: {key}" for key in shown]


def mix(osprey, folder, work, name, *words):
    target = Target([str(folder / name), *words])
    try:
        return truth_told(osprey, target, work, "-F", str(HZ))
    finally:
        target.stop()


def several(osprey, folder, work):
    """Two programs in one recording."""
    targets = [Target([str(folder / name)]) for name in ("waits", "waits-cgo")]
    try:
        before = [t.ask() for t in targets]
        said, found = record(osprey, targets[0].child.pid, work, "-F", str(HZ), str(targets[1].child.pid))
        after = [t.ask() for t in targets]
        bad = [b for t in targets for b in well_kept(said, t)]
    finally:
        for t in targets:
            t.stop()
    if said["wait"]["processes"] != 2:
        bad.append(f"{said['wait']['processes']} processes were looked at")
    for t, asked, asked_again in zip(targets, before, after):
        own = [s for s in found if s.labels.get("pid") == str(t.child.pid)]
        bad += compared(said, own, asked, asked_again)
    return bad


def children(osprey, folder, work):
    """Programs that the one which osprey starts starts; one of them ends before."""
    profile = os.path.join(work, "children.pb.gz")
    script = f"sleep 6 | {folder}/waits & sleep 3 | {folder}/waits-cgo & wait"
    done = subprocess.run([osprey, "record", "-e", "wait", "-d", "5", "-F", "50", "-o", profile, "--json", "--", "sh", "-c",
                           script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return [f"exit status {done.returncode}: {done.stderr}"]
    found = stacks.read(profile, "wait", "ns")
    bad = []
    for name in ("waits", "waits-cgo"):
        if not any("main.main" in s.frames for s in found if s.labels.get("process") == name):
            bad.append(f"main.main of {name} was not seen: {collections.Counter(s.labels.get('process') for s in found)}")
    return bad


def exact(osprey, folder, work, name, *words):
    """Every wait of a parked goroutine, by uprobes: within 2 % of the program's own clock, and what it did in the moments
    around the recording, which only its clock has seen."""
    target = Target([str(folder / name), *words])
    try:
        at, before = target.ask()
        try:
            said, found = record(osprey, target.child.pid, work, "--exact", seconds=8)
        except RuntimeError as e:
            return [] if "needs uprobes" in str(e) else [str(e)]
        until, after = target.ask()
        bad = well_kept(said, target)
    finally:
        target.stop()
    wait, whole = said["wait"], said["wait"]["duration_ns"] / 1e9
    if not wait["exact"] or not 0 < wait["waits_ended"] < wait["traps"]:
        bad.append(f"{wait['waits_ended']} waits of {wait['traps']} traps")
    for goid, (kind, ns) in after.items():
        if kind in ("Syscall", "Disk"):
            continue
        shown = sum(s.value for s in found if s.labels.get("goroutine") == goid and "main.wait" + kind in s.frames) / 1e9
        truth = (ns - before[goid][1]) / (until - at) * whole
        if abs(shown - truth) > 0.02 * truth + 0.25:
            bad.append(f"{kind} of goroutine {goid}: {shown:.3f} s shown, {truth:.3f} s true")
        bad += shown_as(kind, [s for s in found if "main.wait" + kind in s.frames])
    return bad


def creators(osprey, folder, work):
    """Below the first function stands the one that made the goroutine, if that is asked for."""
    target = Target([str(folder / "waits"), "-parked", "3"])
    try:
        _, without = record(osprey, target.child.pid, work, seconds=0.5)
        said, found = record(osprey, target.child.pid, work, "--stitch", "creator", seconds=0.5)
        bad = well_kept(said, target)
    finally:
        target.stop()
    bad += [f"creator unasked: {s.frames}" for s in without if len(s.frames) > 1 and s.frames[-1] != "runtime.goexit"][:1]
    for s in (s for s in found if len(s.frames) > 1):
        want = "main.main" if "main.parked" in s.frames else "main.each" if s.frames[-2].startswith("main.each") else None
        if want and s.frames[-1] != want:
            bad.append(f"made by {want}: {s.frames}")
    return bad[:3] if any("main.parked" in s.frames for s in found) else bad + ["main.parked was not seen"]


def many(osprey, folder, work):
    """100,000 goroutines: a part of them is looked at, and stands for all."""
    target = Target([str(folder / "waits"), "-parked", "100000"])
    try:
        said, found = record(osprey, target.child.pid, work, seconds=6)
        bad = well_kept(said, target)
    finally:
        target.stop()
    wait = said["wait"]
    those = [s for s in found if "main.parked" in s.frames]
    seconds = sum(s.value for s in those) / 1e9
    error = next(row["standard_error"] for row in wait["states"] if row["reason"] == "chan receive")
    truth = 100000 * wait["duration_ns"] / 1e9
    if abs(seconds - truth) > SIGMAS * error + 0.01 * truth:
        bad.append(f"{seconds:.0f} s of 100,000 goroutines, {truth:.0f} s true, standard error {error:.0f}")
    if wait["by_goroutine"] or any("goroutine" in s.labels for s in those):
        bad.append("100,000 goroutines are told apart")
    if any(not s.has("runtime.goexit", "main.parked") for s in those):
        bad.append("a stack is not whole")
    return bad


def hand_offs(osprey, folder, work):
    """Goroutines that run a thousand times while they are read: their stacks are whole or left alone, not mixed up."""
    target = Target([str(folder / "waits"), "-ring", "400"])
    try:
        said, found = record(osprey, target.child.pid, work, "-F", str(HZ), seconds=3)
        bad = well_kept(said, target, 0.02)
    finally:
        target.stop()
    ring = [s for s in found if any(f.startswith("main.ring") for f in s.frames)]
    mixed = []
    for s in ring:
        call = {"chan send": "runtime.chansend1", "chan receive": "runtime.chanrecv1"}
        want = call.get(s.labels["reason"].removesuffix(", then waiting for a CPU"))
        if want and len(s.frames) > 1 and want not in s.frames:
            mixed.append(s)
    # One look in 10,000 is torn without being noticed; more where the reader is slow.
    if sum(s.value for s in mixed) > 0.002 * sum(s.value for s in ring):
        bad.append(f"{len(mixed)} mixed up: {mixed[0].labels['reason']}: {mixed[0].frames}")
    seconds = sum(s.value for s in ring) / 1e9
    whole = 400 * said["wait"]["duration_ns"] / 1e9
    if not 0.95 * whole <= seconds <= whole * 1.001:  # two or three of them run
        bad.append(f"{seconds:.1f} s of at most {whole:.1f}")
    return bad[:3]


def deep(osprey, folder, work):
    """Deep stacks are read to their root, and past 1024 frames it is said that they are cut."""
    bad = []
    for depth, whole in ((300, True), (5000, False)):
        target = Target([str(folder / "waits"), "-parked", "20", "-deep", str(depth)])
        try:
            said, found = record(osprey, target.child.pid, work, seconds=1)
            bad += well_kept(said, target) if whole else []
        finally:
            target.stop()
        those = [s for s in found if "main.parked" in s.frames]
        counts = {s.frames.count("main.parked") for s in those}
        if whole and counts != {depth + 1}:
            bad.append(f"{depth + 1} deep, seen {counts}")
        if not whole and (min(counts) < 1000 or said["wait"]["truncated"]["deeper than 1024 frames"] == 0):
            bad.append(f"{depth} deep: {counts}, {said['wait']['truncated']}")
    return bad


def through_c(osprey, folder, work):
    """A goroutine that C called waits: C's frames and its caller's are there."""
    child = subprocess.Popen([str(folder / "cgo-park")], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    try:
        said, found = record(osprey, child.pid, work, seconds=0.7)
    finally:
        child.kill()
        child.communicate()
    bad = [] if not sum(said["wait"]["truncated"].values()) else [f"cut: {said['wait']['truncated']}"]
    for what, chain in (("Go, C, Go", ("runtime.goexit", "runtime.main", "main.main", "main.enter", "runtime.cgocall",
                                       "runtime.asmcgocall", "c_level", "crosscall2", "main.goWait", "main.waitForEver")),
                        ("C's thread, Go", ("c_thread", "c_level", "crosscall2", "main.goWait", "main.waitForEver"))):
        if not any(s.has(*chain) and s.labels["reason"] == "chan receive" for s in found):
            bad.append(f"{what}: not seen")
    inside = [s for s in found if "main.inC" in s.frames]
    if not inside or any(s.labels["state"] != "syscall" or s.labels["reason"] != "C call" for s in inside):
        bad.append(f"in C: {[s.labels for s in inside]}")
    return bad


def beside_cpu(osprey, folder, work):
    """CPU time and waits in one file."""
    target = Target([str(folder / "waits")])
    profile = os.path.join(work, "w.pb.gz")
    try:
        at, before = target.ask()
        said, found = record(osprey, target.child.pid, work, event="cpu,wait")
        until, after = target.ask()
        bad = well_kept(said, target)
    finally:
        target.stop()
    chan = next(g for g, (kind, _) in after.items() if kind == "Chan")
    waited = sum(s.value for s in found if s.labels.get("goroutine") == chan)
    cpu = sum(s.value for s in stacks.read(profile, "cpu", "ns") if s.labels.get("goroutine") == chan)
    whole = said["wait"]["duration_ns"]
    bad += near("Chan", waited / 1e9, (after[chan][1] - before[chan][1]) / (until - at), said)
    if not 0.02 * whole < cpu < whole - waited + 0.2 * whole:
        bad.append(f"goroutine {chan}: {cpu} ns on a CPU, {waited} waiting, of {whole}")
    return bad


def no_go(osprey, folder, work):
    """A process without goroutines."""
    child = subprocess.Popen(["sleep", "100"])
    try:
        done = subprocess.run([osprey, "record", str(child.pid), "-e", "wait", "-d", "1", "-o",
                               os.path.join(work, "none.pb.gz")], capture_output=True, text=True)
    finally:
        child.kill()
        child.wait()
    return [] if done.returncode == 1 and re.search(r"runs no Go", done.stderr) else [done.stderr]


def started(osprey, folder, work):
    """A program that osprey starts itself."""
    profile = os.path.join(work, "started.pb.gz")
    done = subprocess.run([osprey, "record", "-e", "wait", "-d", "2", "-F", "50", "-o", profile, "--json", "--",
                           str(folder / "waits")], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        return [f"exit status {done.returncode}: {done.stderr}"]
    found = stacks.read(profile, "wait", "ns")
    return [] if any("main.main" in s.frames for s in found) else ["main.main was not seen"]


CASES = [
    ("every kind of wait", "waits", lambda *a: mix(*a, "waits")),
    ("every kind of wait, a cgo program", "waits-cgo", lambda *a: mix(*a, "waits-cgo")),
    ("every kind of wait, stripped and position independent", "waits-pie-stripped",
     lambda *a: mix(*a, "waits-pie-stripped")),
    ("stacks that shrink meanwhile", "waits", lambda *a: mix(*a, "waits", "-shrink")),
    ("creators", "waits", creators),
    ("exactly", "waits", lambda *a: exact(*a, "waits", "-parked", "50")),
    ("exactly, a cgo program", "waits-cgo", lambda *a: exact(*a, "waits-cgo")),
    ("exactly, stripped and position independent", "waits-pie-stripped", lambda *a: exact(*a, "waits-pie-stripped")),
    ("100,000 goroutines", "waits", many),
    ("hand-offs as fast as can be", "waits", hand_offs),
    ("deep stacks", "waits", deep),
    ("waits below C", "cgo-park", through_c),
    ("beside CPU time", "waits", beside_cpu),
    ("two programs", "waits-cgo", several),
    ("children", "waits-cgo", children),
    ("no Go", "waits", no_go),
    ("a program started by osprey", "waits", started),
]


def build(release, folder):
    """tests/targets/waits by that release; None if it cannot be had."""
    program = folder / ("waits-" + release)
    old = release.startswith(("go1.16", "go1.17"))
    env = dict(os.environ, GOTOOLCHAIN=release, CGO_ENABLED="0", GOFLAGS="-mod=mod" if old else "-mod=mod -buildvcs=false")
    done = subprocess.run(["go", "build", "-o", str(program), "./waits"], cwd=TARGETS, env=env,
                          capture_output=True, text=True)
    return program if done.returncode == 0 else None


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    only = sys.argv[3:]
    need_go()
    if only[:1] == ["--releases"]:
        releases = (os.environ.get("OSPREY_GO_RELEASES") or " ".join(only[1:])).split()
        cases = [(release, release, lambda *a, r=release: mix(*a, "waits-" + r) + exact(*a, "waits-" + r)) for release in releases]
        missing = {release for release in releases if not build(release, folder)}
    else:
        cases = [c for c in CASES if not only or c[1] in only or c[0] in only]
        missing = set()
        build_targets(folder, *sorted({c[1] for c in CASES}))
    tap = Tap()
    with tempfile.TemporaryDirectory() as work:
        for name, needs, test in cases:
            if needs in missing:
                tap.skip(name, "it cannot be had, or does not build the program")
                continue
            try:
                tap.same(name, test(osprey, folder, work))
            except RuntimeError as e:
                tap.case(name, False, e)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
