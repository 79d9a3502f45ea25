#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey record -e` on programs that measure themselves what they wait for. Usage: test_events.py OSPREY FOLDER [NAME...]

FOLDER is where tests/targets/build.sh puts the programs. Needs Go and BPF; else it is skipped, and says why. Prints
TAP."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import stacks
from ready import build_targets, need_bpf
from tap import Tap
from test_sampler import start, stop

MS = 1000000
CHOOSING = 20000 # ns


def record(osprey, words, profile):
    """A recording's summary, and what the program printed before it."""
    done = subprocess.run([osprey, "record", "-o", profile, "--json", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.strip()}")
    told, _, said = ("\n" + done.stdout).rpartition("\n{\n")
    return json.loads("{\n" + said), told


def truths(told):
    """truth NAME key=value … -> {NAME: {key: value}}"""
    return {m[1]: {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", m[2])}
            for m in re.finditer(r"^truth (\S+) (.*)$", told, re.M)}


def within(what, got, least, most, slack=3 * MS):
    """The sampler's sum lies between two truths, within a percent and a little."""
    if least * 0.99 - slack <= got <= most * 1.01 + slack:
        return []
    return [f"{what}: {got / MS:.1f} ms, the truth is {least / MS:.1f} to {most / MS:.1f} ms"]


def healthy(said, least=0.9):
    """Whole stacks; fewer in a program's first moments, before its tables are read."""
    bad = []
    if said["lost"]:
        bad.append(f"{said['lost']} lost")
    walked = said["samples"] - said["truncated"].get("too many to walk each", 0)  # how many are depends on the machine
    if said["complete"] < least * walked:
        bad.append(f"{said['complete']} of {said['samples']} complete: {said['truncated']}")
    return bad


REASONS = {"sleep": "sleep", "futex": "futex", "post": "sleep", "read": "read", "write": "sleep", "epoll": "epoll",
           "fault": "sleep"}


def lives(osprey, folder, work):
    """Each thread's samples add up to its life, its CPU time and what it waited for."""
    profile = os.path.join(work, "lives.pb.gz")
    said, told = record(osprey, ["-e", "wall", "--", str(folder / "c-waits"), "2", os.path.join(work, "disk")], profile)
    found, truth = stacks.rows(profile), truths(told)
    bad = healthy(said)
    for name, t in truth.items():
        wall = stacks.total(found, "wall", thread=name)
        if name == "forever":
            bad += within(name, wall, t["inner"], t["outer"])
            continue
        bad += within(f"{name}, life", wall, t["inner"], t["outer"])
        # A thread's own clock leaves out interrupts, and what a host took from its guest: more on a crowded host, much where
        # a disk is asked.
        most = t["outer"] if name == "disk" else t["cpu"] * 1.2 + 20 * MS
        # And it begins when the scheduler begins to choose it, some µs before the switch that we see.
        least = t["cpu"] - CHOOSING * (t["voluntary"] + t["involuntary"])
        bad += within(f"{name}, running", stacks.total(found, "running", thread=name), least, most)
        if name in REASONS:
            blocked = stacks.total(found, "wall-blocked", thread=name, reason=REASONS[name])
            bad += within(f"{name}, blocked", blocked, t["least"], t["wait"])
        if name.startswith("burn"):
            waited = stacks.total(found, "wall-runnable", thread=name)
            bad += within(f"{name}, runnable", waited, t["inner"] - most, t["outer"] - t["cpu"])
            if stacks.total(found, "wall-blocked", thread=name) > 0.02 * wall:
                bad.append(f"{name} is said to block")
    disk = stacks.total(found, "wall-blocked", thread="disk", reason="disk")
    if not 0 < disk <= truth["disk"]["wait"]:
        bad.append(f"disk: {disk / MS:.1f} ms of {truth['disk']['wait'] / MS:.1f}")
    return bad


def counted(osprey, folder, work):
    """Context switches and page faults, beside the kernel's own counts."""
    profile = os.path.join(work, "counted.pb.gz")
    said, told = record(osprey, ["-e", "context-switches,off-cpu", "--", str(folder / "c-waits"), "1"], profile)
    found = stacks.rows(profile)
    bad = healthy(said)
    for name, t in truths(told).items():
        if name == "forever":
            continue
        all_of = stacks.total(found, "context-switches", thread=name)
        forced = stacks.total(found, "context-switches", thread=name, reason="preempted") + stacks.total(
            found, "context-switches", thread=name, reason="throttled")
        # Behind the last count it ends, and its first switch may have come before its name; and the kernel itself counts a thread that is preempted
        # on its way to sleep now here, now there.
        if not t["voluntary"] + t["involuntary"] - 1 <= all_of <= t["voluntary"] + t["involuntary"] + 3:
            bad.append(f"{name}: {all_of} switches, the kernel counted {t['voluntary']} + {t['involuntary']}")
        if abs(forced - t["involuntary"]) > 3 + t["involuntary"] / 10:
            bad.append(f"{name}: {forced} preempted, the kernel counted {t['involuntary']}")
        waits = stacks.total(found, "off-cpu", thread=name)
        if abs(waits - all_of) > 2:
            bad.append(f"{name}: {waits} waits, {all_of} switches")
    return bad


def attached(osprey, folder, work):
    """Threads that sleep since before the recording, and one that never wakes, have all of it."""
    profile = os.path.join(work, "attached.pb.gz")
    child, out = start([str(folder / "c-waits"), "30"])
    said, _ = record(osprey, ["-e", "wall", "-d", "1.5", str(child.pid)], profile)
    alive = child.poll() is None
    stop(child, out)
    found = stacks.rows(profile)
    bad = healthy(said, 0.98) + ([] if alive else ["the target is dead"])
    names = {r.labels["thread"] for r in found}
    if len(names) != 11:
        bad.append(f"{len(names)} threads: {names}")
    for name in names:
        bad += within(name, stacks.total(found, "wall", thread=name), said["duration_ns"], said["duration_ns"])
    for name in ("forever", "c-waits"):
        if stacks.total(found, "wall-blocked", thread=name) != stacks.total(found, "wall", thread=name):
            bad.append(f"{name} did not wait all the time")
    whole = stacks.read(profile, "wall", "ns")
    for name, frames in [("forever", ("clone3", "wait_forever")), ("read", ("clone3", "work", "read_step")),
                         ("epoll", ("clone3", "work", "epoll_step"))]:
        those = [s for s in whole if s.labels.get("thread") == name and s.labels.get("reason") not in ("preempted", "running")]
        if not those or not stacks.share(those, lambda s: s.has(*frames)) > 0.95:
            bad.append(f"{name}: {[s.frames for s in those][:2]}")
    return bad


def faults(osprey, folder, work):
    """Page faults, beside the kernel's own count of each thread."""
    profile = os.path.join(work, "faults.pb.gz")
    said, told = record(osprey, ["-e", "page-faults,cpu", "--", str(folder / "c-waits"), "1"], profile)
    found = stacks.rows(profile)
    got, want = stacks.total(found, "page-faults", thread="fault"), truths(told)["fault"]["faults"]
    return [] if want * 0.99 - 10 <= got <= want * 1.01 + 10 else [f"{got} faults, the kernel counted {want}"]


def syscalls(osprey, folder, work):
    """System calls and their errors, beside `strace -c` on the same command."""
    command = ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=5000"]
    table = os.path.join(work, "strace")
    subprocess.run(["strace", "-c", "-o", table, *command], check=True, capture_output=True)
    want = {}
    for line in pathlib.Path(table).read_text().splitlines():
        row = re.match(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(\d+)? *(\w+)$", line)
        if row and row[3] not in ("total", "execve"):
            want[row[3]] = (int(row[1]), int(row[2] or 0))
    profile = os.path.join(work, "calls.pb.gz")
    record(osprey, ["-e", "syscalls", "--", *command], profile)
    got = {}
    for r in stacks.rows(profile):
        calls, errors = got.get(r.labels["syscall"], (0, 0))
        n = r.value["syscalls"]
        got[r.labels["syscall"]] = (calls + n, errors + n * ("errno" in r.labels))
    got.pop("execve", None)
    return [f"{name}: {got.get(name)}, strace says {want.get(name)}" for name in sorted({*got, *want})
            if got.get(name) != want.get(name)]


def goroutines(osprey, folder, work):
    """Waits of goroutines in system calls bear the goroutine; Ms without one are idle."""
    profile = os.path.join(work, "go.pb.gz")
    said, told = record(osprey, ["-e", "off-cpu", "--", str(folder / "go-waits"), "2"], profile)
    truth = {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", told)}
    found = stacks.read(profile, "blocked", "ns")
    bad = healthy(said)
    for function, reason, least in [("main.rawSleep", "sleep", truth["least"]), ("main.rawRead", "read", 0)]:
        those = [s for s in found if function in s.frames and s.labels["reason"] == reason]
        bad += within(function, sum(s.value for s in those), least, truth[function.removeprefix("main.")])
        if stacks.share(those, lambda s: "goroutine" in s.labels) < 0.95: # but in its first moments
            bad.append(f"{function} without a goroutine")
        if stacks.share(those, lambda s: s.has("runtime.goexit", function)) < 0.95:
            bad.append(f"{function}: {[s.frames for s in those][:1]}")
    idle = [s for s in found if s.labels["reason"] == "idle"]
    if not idle or any("goroutine" in s.labels for s in idle):
        bad.append(f"{len(idle)} idle stacks")
    lost = [s for s in found if s.labels["reason"] in ("futex", "epoll") and not any(f.startswith("main.") for f in s.frames)]
    if sum(s.value for s in lost) > 0.02 * sum(s.value for s in idle):
        bad.append(f"neither idle nor anybody's: {[s.frames for s in lost][:2]}")
    return bad


def cpu_group():
    """A new cgroup whose processes get a fifth of a CPU, and where the kernel counts what they were denied; or why there is none."""
    for root in (pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/sys/fs/cgroup/cpu")):
        group = root / f"osprey-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError as e:
            why = str(e)
            continue
        limit, words = group / "cpu.max", "20000 100000"
        if not limit.exists():
            limit, words = group / "cpu.cfs_quota_us", "20000"
        if limit.exists():
            limit.write_text(words)
            return group, ""
        group.rmdir()
        why = "no controller of CPU time there"
    return None, f"no cgroup can be made: {why}"


def denied_ns(group):
    """For how long its threads were throttled, as the kernel counts it."""
    found = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(found["throttled_usec"]) * 1000 if "throttled_usec" in found else int(found["throttled_time"])


def throttled(osprey, folder, work):
    """A thread whose cgroup has used up its time is throttled, for as long as the kernel counts; or why that was not tried."""
    group, why = cpu_group()
    if not group:
        return why
    profile = os.path.join(work, "throttled.pb.gz")
    child = subprocess.Popen(["sh", "-c", f"echo $$ > {group}/cgroup.procs; echo ready; while :; do :; done"], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        before = denied_ns(group)
        said, _ = record(osprey, ["-e", "off-cpu", "-d", "3", str(child.pid)], profile)
        after = denied_ns(group)
    finally:
        child.kill()
        child.wait()
        group.rmdir()
    found = stacks.rows(profile)
    got = sum(stacks.total(found, c, reason="throttled") for c in ("runnable", "blocked"))
    # The kernel books it at the end of a period of 100 ms, and ours is a part of the time between the two looks.
    truth = after - before
    if not truth * 0.7 - 300 * MS <= got <= truth * 1.1 + 200 * MS or got == 0:
        return [f"throttled {got / MS:.0f} ms, the kernel says {truth / MS:.0f} ms of {said['duration_ns'] / MS:.0f}; "
                f"preempted {stacks.total(found, 'runnable', reason='preempted') / MS:.0f}"]
    return []


CASES = [
    ("each thread's samples add up to its life", lives),
    ("context switches are the kernel's", counted),
    ("page faults are the kernel's", faults),
    ("system calls are strace's", syscalls),
    ("threads that sleep since before the start", attached),
    ("goroutines in system calls, and idle Ms", goroutines),
    ("a cgroup's limit of CPU time", throttled),
]


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    only = sys.argv[3:]
    build_targets(folder, "c-waits", "go-waits")
    tap = Tap()
    with tempfile.TemporaryDirectory() as work:
        need_bpf(osprey, "record", "-e", "off-cpu", "-o", os.path.join(work, "probe.pb.gz"))
        for name, case in CASES:
            if not only or case.__name__ in only:
                if case is syscalls and not shutil.which("strace"):
                    tap.skip(name, "strace is not installed")
                    continue
                bad = case(osprey, folder, work)
                if isinstance(bad, str):
                    tap.skip(name, bad)
                else:
                    tap.same(name, bad)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
