#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey syscalls`, and what of it `record -e` measures: calls beside strace, tracepoints, page faults, who wakes whom.
Usage: test_syscalls.py OSPREY FOLDER [NAME...]

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
from test_events import record, truths, within
from test_sampler import start, stop

BYTES, BLOCK = 21000, 7
DD = ["dd", "if=/dev/zero", "of=/dev/null", f"bs={BLOCK}", f"count={BYTES // BLOCK}", "status=none"]


def watch(osprey, *words):
    """The JSON of `osprey syscalls`, and what the program printed before it."""
    done = subprocess.run([osprey, "syscalls", "--json", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.strip()}")
    told, _, said = ("\n" + done.stdout).rpartition("\n{\n")
    return json.loads("{\n" + said), told


def beside_strace(osprey, folder, work):
    """Calls and failures are those of `strace -c -f`, the bytes those that dd was asked to move."""
    table = os.path.join(work, "strace")
    subprocess.run(["strace", "-c", "-f", "-o", table, *DD], check=True, capture_output=True)
    want = {}
    for line in pathlib.Path(table).read_text().splitlines():
        row = re.match(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(\d+)? *(\w+)$", line)
        if row and row[3] not in ("total", "execve"):
            want[row[3]] = (int(row[1]), int(row[2] or 0))
    said, _ = watch(osprey, "--", *DD)
    got = {c["name"]: (c["calls"], c["failed"]) for c in said["calls"] if c["name"] != "execve"}
    bad = [f"{name}: {got.get(name)}, strace says {want.get(name)}" for name in sorted({*got, *want})
           if got.get(name) != want.get(name)]
    calls = {c["name"]: c for c in said["calls"]}
    if calls["write"]["bytes_out"] != BYTES or not BYTES < calls["read"]["bytes_in"] < BYTES + 20000:
        bad.append(f"{calls['write']['bytes_out']} bytes out, {calls['read']['bytes_in']} in")
    for c in said["calls"]:
        if not c["median_ns"] <= c["p99_ns"] <= c["max_ns"] <= c["total_ns"] + 1:
            bad.append(f"{c['name']}: median {c['median_ns']}, p99 {c['p99_ns']}, max {c['max_ns']}")
        if sum(p["calls"] for p in c["places"]) != c["calls"]:
            bad.append(f"{c['name']}: {c['calls']} calls, its places have {sum(p['calls'] for p in c['places'])}")
        if sum(f["calls"] for f in c["failures"]) != c["failed"]:
            bad.append(f"{c['name']}: {c['failed']} failed, by errno {c['failures']}")
    return bad + ([f"lost {said['lost']}"] if said["lost"] else [])


def storm(osprey, folder, work):
    """However fast calls come, each is counted; stacks are walked of as many as there is time for."""
    n = 300000
    said, _ = watch(osprey, "--", "dd", "if=/dev/zero", "of=/dev/null", "bs=1", f"count={n}", "status=none")
    calls = {c["name"]: c for c in said["calls"]}
    got = (calls["write"]["calls"], calls["write"]["bytes_out"], said["lost"])
    bad = [] if got == (n, n, 0) else [f"calls, bytes, lost: {got}"]
    for c in said["calls"]:
        if sum(p["calls"] for p in c["places"]) != c["calls"] or not c["median_ns"] <= c["p99_ns"] <= c["max_ns"]:
            bad.append(f"{c['name']}: {c}"[:600])
    if not any(p["stack"] for p in calls["write"]["places"]):
        bad.append("not one stack")
    return bad


def only_named(osprey, folder, work):
    """Names after -e choose, in the kernel; all others are not there."""
    said, _ = watch(osprey, "-e", "write,openat", "--", *DD)
    got = {c["name"]: c["calls"] for c in said["calls"]}
    bad = [] if set(got) == {"write", "openat"} and got["write"] == BYTES // BLOCK else [f"{got}"]
    errnos = {f["errno"] for c in said["calls"] for f in c["failures"]}
    if not errnos <= {"ENOENT"}:
        bad.append(f"{errnos}")
    profile = os.path.join(work, "named.pb.gz")
    record(osprey, ["-e", "syscalls:write,cpu", "--", *DD], profile)
    rows = stacks.rows(profile)
    names = {r.labels["syscall"] for r in rows if r.value["syscalls"]}
    if names != {"write"} or stacks.total(rows, "syscall-bytes") != BYTES:
        bad.append(f"{names}, {stacks.total(rows, 'syscall-bytes')} bytes")
    return bad


def latency(osprey, folder, work):
    """The time in a call is what the program's own clock says around it; calls are its own count."""
    profile = os.path.join(work, "latency.pb.gz")
    said, told = record(osprey, ["-e", "syscalls", "--", str(folder / "c-waits"), "1"], profile)
    rows, truth, bad = stacks.rows(profile), truths(told), []
    for name, call in (("sleep", "clock_nanosleep"), ("read", "read"), ("epoll", "epoll_wait")):
        t = truth[name]
        bad += within(f"{name} in {call}", stacks.total(rows, "syscall-time", thread=name, syscall=call), t["least"], t["wait"])
        n = stacks.total(rows, "syscalls", thread=name, syscall=call)
        if not t["calls"] <= n <= t["calls"] + 1:
            bad.append(f"{name}: {n} of {call}, it made {t['calls']}")
    return bad


def goroutines(osprey, folder, work):
    """A call of a goroutine is that of the function that makes it, in the group of the function it began in."""
    child, out = start([str(folder / "go-waits"), "20"])
    said, _ = watch(osprey, "-d", "1.5", str(child.pid))
    alive = child.poll() is None
    stop(child, out)
    bad = [] if alive else ["the target is dead"]
    naps = next((c for c in said["calls"] if c["name"] == "nanosleep"), None)
    mine = [p for p in naps["places"] if p["function"] == "main.rawSleep"] if naps else []
    if not mine or not mine[0]["group"].startswith("main.") or "runtime.goexit" not in mine[0]["stack"]:
        bad.append(f"{naps}")
    elif mine[0]["total_ns"] < mine[0]["calls"] * 3000000:
        bad.append(f"{mine[0]['calls']} naps of 3 ms in {mine[0]['total_ns']} ns")
    if said["complete"] < 0.99 * (said["samples"] - said["not_walked"]):
        bad.append(f"{said['complete']} of {said['samples']} stacks complete, {said['not_walked']} not walked")
    return bad


def futex_pairs(osprey, folder, work):
    """post_step wakes futex_step, as often as it posts at most; waits say who ended them."""
    said, told = watch(osprey, "--", str(folder / "c-waits"), "1")
    posts = truths(told)["post"]["calls"]
    found = [p for p in said["wakeups"]["pairs"] if (p["waker"], p["woken"]) == ("post_step", "futex_step")]
    n = sum(p["count"] for p in found)
    bad = [] if 0.5 * posts <= n <= posts + 2 and all(p.get("call") == "futex" for p in found) else [
        f"{n} wake-ups, it posted {posts} times: {said['wakeups']['pairs'][:5]}"]
    profile = os.path.join(work, "wakers.pb.gz")
    record(osprey, ["-e", "off-cpu", "--wakers", "--", str(folder / "c-waits"), "1"], profile)
    waits = [s for s in stacks.read(profile, "blocked", "ns")
             if s.labels["thread"] == "futex" and s.labels["reason"] == "futex"]
    # The waker's stack stands above that of the wait, upside down: read from the root, it ends with the waker's root.
    if not waits or stacks.share(waits, lambda s: s.labels.get("waker") == "post" and
                                 s.has("futex_step", "try_to_wake_up", "post_step")) < 0.9:
        bad.append(f"{[(s.labels, s.frames) for s in waits][:2]}")
    naps = [s for s in stacks.read(profile, "blocked", "ns") if s.labels["thread"] == "sleep" and s.labels["reason"] == "sleep"]
    if not naps or stacks.share(naps, lambda s: s.labels.get("waker") == "timer" and not s.has("try_to_wake_up")) < 0.9:
        bad.append(f"{[(s.labels, s.frames) for s in naps][:2]}")
    return bad


def causes(found):
    """The shares of the causes among the wake-ups by the program's own threads. What woke a thread before we looked, or
    while there was no time to look, is unknown: on a crowded machine that is more, and is left out."""
    own = [s for s in found if s.labels["by"].startswith("thread")]
    known = [s for s in own if s.labels["cause"] != "unknown"]
    return {c: stacks.share(known, lambda s: s.labels["cause"] == c) for c in {s.labels["cause"] for s in known}}, own


def inheritance(osprey, folder, work):
    """Wake-ups by Go's scheduler go to what made it run: code, a timer, its monitor."""
    bad, shares = [], {}
    for kind in ("pair", "feeder", "mix"):
        profile = os.path.join(work, kind + ".pb.gz")
        child, out = start([str(folder / "wakes"), kind, "60"])
        record(osprey, ["-e", "wakeups", "-d", "3", str(child.pid)], profile)
        stop(child, out)
        shares[kind], own = causes(stacks.read(profile, "wakeups"))
        if stacks.share(own, lambda s: s.labels["cause"] != "unknown") < 0.5:
            bad.append(f"{kind}: unknown causes, {len(own)} stacks")
        code = [s for s in own if s.labels["cause"] == "code"]
        handed_on = [s for s in own if s.labels["by"] == "thread, inherited"]
        if code and stacks.share(code, lambda s: any(f.startswith("main.") for f in s.frames)) < 0.97:
            bad.append(f"{kind}: code that is not the program's: {[s.frames for s in code][:3]}")
        if kind == "feeder" and not handed_on:
            bad.append("feeder: the scheduler hands nothing on")

    def share(kind, *cause):
        return sum(shares[kind].get(c, 0) for c in cause)

    if share("pair", "code") < 0.95:
        bad.append(f"pair: {shares['pair']}")
    if share("feeder", "code", "timer") < 0.95 or share("feeder", "timer") < 0.02:
        bad.append(f"feeder: {shares['feeder']}")
    if share("mix", "code", "timer", "sysmon", "network") < 0.95 or share("mix", "sysmon") < 0.02 or share("mix", "timer") < 0.02:
        bad.append(f"mix: {shares['mix']}")
    return bad


def tracepoints(osprey, folder, work):
    """Each time that a tracepoint is passed is a sample, with the stack; several have a column each."""
    profile = os.path.join(work, "points.pb.gz")
    record(osprey, ["-e", "tracepoint:syscalls:sys_enter_write,sched:sched_process_exit", "--", *DD], profile)
    rows = stacks.rows(profile)
    got = (stacks.total(rows, "syscalls:sys_enter_write"), stacks.total(rows, "sched:sched_process_exit"))
    bad = [] if got == (BYTES // BLOCK, 1) else [f"{got}"]
    for words, want in (("sched:sched_process_exce", "did you mean sched:sched_process_exec"),
                        ("shced:x", "has no tracepoint shced:x"), ("syscalls:raed", "did you mean `read`"),
                        ("tracepoint:nothing", "SYSTEM:NAME")):
        done = subprocess.run([osprey, "record", "-e", words, "--", "true"], capture_output=True, text=True)
        if done.returncode != 2 or want not in done.stderr:
            bad.append(f"{words}: exit status {done.returncode}, {done.stderr.strip()}")
    return bad


MAJOR = """
import mmap, os, resource, sys
path, start = sys.argv[1], resource.getrusage(resource.RUSAGE_SELF)
with open(path, "wb") as f:
    f.write(b"x" * (4 << 20))
    f.flush()
    os.fsync(f.fileno())
fd = os.open(path, os.O_RDONLY)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
sum(m[i] for i in range(0, len(m), 4096))
u = resource.getrusage(resource.RUSAGE_SELF)
print("truth faults minor=%d major=%d" % (u.ru_minflt, u.ru_majflt))
print("truth since minor=%d major=%d" % (u.ru_minflt - start.ru_minflt, u.ru_majflt - start.ru_majflt))
"""


def major_faults(osprey, folder, work):
    """Page faults say whether they had to wait for a disk: beside the kernel's own two counts."""
    profile = os.path.join(work, "faults.pb.gz")
    said, told = record(osprey, ["-e", "page-faults", "--", sys.executable, "-c", MAJOR, os.path.join(work, "file")], profile)
    rows, truth, bad = stacks.rows(profile), truths(told), []
    lost = said["lost"] # where nothing else gets a CPU for long; stacks do not wait in the ring for their tables
    if lost > 0.05 * truth["faults"]["minor"]:
        bad.append(f"{lost} lost")
    for state in ("minor", "major"):
        n = stacks.total(rows, "page-faults", state=state)
        # Its own count has faults of before its exec, and none of its end.
        if not truth["since"][state] <= n + lost or n > truth["faults"][state] * 1.25 + 100:
            bad.append(f"{n} {state} faults, the kernel counted {truth['faults'][state]}, {truth['since'][state]} since its start")
    return bad


def sides(osprey, folder, work):
    """-u leaves out the kernel's frames of what waits, -k those of the program."""
    bad = []
    for option, kernel in (("-u", False), ("-k", True)):
        profile = os.path.join(work, option + ".pb.gz")
        said, _ = record(osprey, ["-e", "off-cpu", option, "--", str(folder / "c-waits"), "1"], profile)
        found = [s for s in stacks.read(profile, "blocked", "ns") if s.labels["thread"] == "sleep" and s.labels["reason"] == "sleep"]
        if not found or any(s.has("main") or (s.labels["domain"] == "kernel") != kernel for s in found):
            bad.append(f"{option}: {[(s.labels, s.frames) for s in found][:2]}")
        if stacks.share(found, lambda s: s.has("sleep_step")) > 0 and kernel:
            bad.append(f"{option}: {[s.frames for s in found][:2]}")
    return bad


def screen(osprey, folder, work):
    """24 lines of 80 columns at most, whatever there is to tell; -n 0 tells all."""
    child, out = start([str(folder / "wakes"), "mix", "60"])
    done = subprocess.run([osprey, "syscalls", "-d", "1.5", str(child.pid)], capture_output=True, text=True)
    whole = subprocess.run([osprey, "syscalls", "-d", "1", "-n", "0", str(child.pid)], capture_output=True, text=True)
    stop(child, out)
    lines, bad = done.stdout.splitlines(), []
    if not 8 <= len(lines) <= 24 or any(len(line) > 80 for line in lines):
        bad.append(f"{len(lines)} lines, {max(map(len, lines), default=0)} columns:\n{done.stdout}{done.stderr}")
    if "main.blockInKernel" not in whole.stdout:
        bad.append(whole.stdout + whole.stderr)
    return bad


CASES = [
    ("system calls, their failures and bytes are strace's", beside_strace),
    ("a storm of them is counted", storm),
    ("system calls by name", only_named),
    ("the time in a call is the program's own", latency),
    ("calls of goroutines have their functions and groups", goroutines),
    ("who wakes whom by futex", futex_pairs),
    ("wake-ups by the scheduler inherit their cause", inheritance),
    ("tracepoints, and what is said of those that are none", tracepoints),
    ("page faults, minor and major", major_faults),
    ("one side of the stacks of waits", sides),
    ("the screen fits", screen),
]


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    only = sys.argv[3:]
    build_targets(folder, "c-waits", "go-waits", "wakes")
    need_bpf(osprey, "syscalls")
    tap = Tap()
    with tempfile.TemporaryDirectory() as work:
        for name, case in CASES:
            if only and case.__name__ not in only:
                continue
            if case is beside_strace and not shutil.which("strace"):
                tap.skip(name, "strace is not installed")
            else:
                tap.same(name, case(osprey, folder, work))
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
