#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey threads` beside programs that know their own threads, and beside /proc; and the stop that --freeze makes.

Usage: test_threads.py OSPREY FOLDER [--releases RELEASE...]. FOLDER is where tests/targets/build.sh puts the programs.
OSPREY_GO_RELEASES names other toolchains; what cannot be had is skipped. Needs Go; else it is skipped, and says why. Prints
TAP."""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from ready import TARGETS, build_targets, skip_all
from tap import Tap

TRIES = 5
KILLS = 50


class Program:
    """One that says which of its threads is which."""

    def __init__(self, path):
        self.process = subprocess.Popen([str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = json.loads(self.process.stdout.readline())
        self.pid = self.said["pid"]
        self.tid = {t["kind"]: t["tid"] for t in self.said["threads"]}
        self.goroutine = {t["kind"]: t.get("goroutine") for t in self.said["threads"]}

    def ask(self):
        """How often it has counted, and the longest pause in between, ns."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return tuple(map(int, self.process.stdout.readline().split()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def threads(osprey, pid, *options):
    run = subprocess.run([osprey, "threads", "--json", *options, str(pid)], capture_output=True, text=True, timeout=120,
                         check=False)
    if run.returncode:
        raise RuntimeError(f"osprey threads: {run.returncode}: {run.stderr}")
    answer = json.loads(run.stdout)
    return answer, {row["tid"]: row for row in answer["threads"]}


def functions(row):
    return [f["function"] for f in row.get("stack", [])]


# kind: role, system call, words that its text holds, functions on its stack from the innermost on
TRUTH = {
    "reader": ("syscall", "read", ("(pipe)", "16 bytes"), ("main.reader",)),
    "sleeper": ("syscall", "nanosleep", (" s",), ("main.sleeper",)),
    "locked": ("locked", "futex", ("wait",), ("runtime.stoplockedm",)),
    "beat": ("Go", None, (), ()),
    "pauses": ("cgo", "pause", (), ("c_pauses", "runtime.cgocall", "main.pauses")),
    "burns": ("cgo", None, (), ()),
    "c-waits": ("C", "futex", ("wait",), ("c_waits",)),
    "c-polls": ("C", "epoll_wait", ("(epoll)", "1 event", "no timeout"), ("c_polls",)),
    "c-receives": ("C", "recvfrom", ("(unix", "1 bytes"), ("c_receives",)),
}


OFF_CPU = ("locked", "scheduler")  # what a thread is whose goroutine was sent off the CPU just then


def in_order(wanted, have):
    at = iter(have)
    return all(any(w == f for f in at) for w in wanted)


def wrong_thread(kind, program, row):
    role, call, words, stack = TRUTH[kind]
    goroutine = program.goroutine[kind]
    if row["role"] != role:
        yield f"is {row['role']}, not {role}"
    if kind.startswith("c-") and row["name"] != kind:
        yield f"is called {row['name']}"
    on = row.get("goroutine", {}).get("id")
    if goroutine and kind != "locked" and on != goroutine:
        yield f"has goroutine {on} on it, not {goroutine}"
    if goroutine and row.get("locked_goroutine") != goroutine:
        yield f"has goroutine {row.get('locked_goroutine')} locked to it, not {goroutine}"
    if not goroutine and "goroutine" in row:
        yield "has a goroutine"
    if not call:
        return
    if row.get("call", {}).get("name") != call:
        yield f"is in {row.get('call')}, not in {call}"
    else:
        text = row["call"]["text"]
        yield from (f"`{text}` has no `{w}`" for w in words if w not in text)
    if row["stack_state"] != "whole":
        yield f"its stack is {row['stack_state']}: {functions(row)}"
    if not in_order(stack, functions(row)):
        yield f"its stack is {functions(row)}"


def wrong_as_a_whole(program, answer, rows):
    there = {int(t) for t in os.listdir(f"/proc/{program.pid}/task")}
    if set(rows) - there or there - set(rows):
        yield f"has {set(rows)}, /proc {there}"
    by_role = {}
    for row in rows.values():
        by_role.setdefault(row["role"], []).append(row)
    if len(by_role.get("sysmon", [])) != 1:
        yield f"{len(by_role.get('sysmon', []))} sysmons"
    elif "runtime.sysmon" not in functions(by_role["sysmon"][0]) or "p" in by_role["sysmon"][0]:
        yield f"sysmon is {by_role['sysmon'][0]}"
    if [t for t, row in rows.items() if row["main"]] != [program.pid]:
        yield "the main thread is another"
    if answer["notes"]:
        yield from answer["notes"]
    if not any(row["role"] == "template" for row in rows.values()):
        yield "no template thread, which LockOSThread starts"
    if not any(row["role"] == "signal" and "os/signal.loop" in functions(row) for row in rows.values()):
        yield "no thread for signals, which signal.Notify starts"
    for row in rows.values():
        if row["role"] == "netpoller" and "runtime.netpoll" not in functions(row):
            yield f"{row['tid']} is no netpoller: {functions(row)}"
        if row["role"] == "idle" and row["stack_state"] == "whole" and "runtime.stopm" not in functions(row):
            yield f"{row['tid']} is not idle: {functions(row)}"


def look(osprey, program, *options):
    """What is wrong with what is said of all threads."""
    before = {k: run_ns(program.pid, t) for k, t in program.tid.items()}
    answer, rows = threads(osprey, program.pid, *options)
    wrong = list(wrong_as_a_whole(program, answer, rows))
    for kind, tid in program.tid.items():
        if tid not in rows:
            wrong.append(f"{kind}: thread {tid} is not there")
            continue
        wrong += [f"{kind}: {w}" for w in wrong_thread(kind, program, rows[tid])]
        most = (run_ns(program.pid, tid) - before[kind]) / 1e9
        if rows[tid]["cpu_s"] > most + 1e-6:
            wrong.append(f"{kind}: {rows[tid]['cpu_s']} s on a CPU, of {most}")
    return wrong


def run_ns(pid, tid):
    return int(pathlib.Path(f"/proc/{pid}/task/{tid}/schedstat").read_text(encoding="ascii").split()[0])


def agrees(osprey, program, *options):
    """The runtime moves threads about: what is wrong in each of some looks is."""
    wrong = ["never looked"]
    for _ in range(TRIES):
        wrong = look(osprey, program, *options)
        if not wrong:
            break
    return wrong


def stands_by_itself(program):
    """It beats, and nobody traces it."""
    first, deadline = program.ask()[0], time.monotonic() + 60
    while program.ask()[0] == first:
        if time.monotonic() > deadline:
            return "it does not beat any more"
        time.sleep(0.01)
    for tid in os.listdir(f"/proc/{program.pid}/task"):
        try:
            text = pathlib.Path(f"/proc/{program.pid}/task/{tid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        if fields["TracerPid"] != "0" or fields["State"][0] in "tT":
            return f"thread {tid} is {fields['State']}, traced by {fields['TracerPid']}"
    return ""


def freezes(t, osprey, program, name):
    wrong, stops, beating, cut, met = [], [], 0, [], 0
    for _ in range(10):
        answer, rows = threads(osprey, program.pid, "--freeze", "-d", "0")
        stop = answer["stop"]
        stops.append(stop["ms"])
        if stop["expired"]:  # a machine can be that busy
            continue
        if stop["missed"] or stop["threads"] != len(rows):
            wrong.append(f"the stop: {stop}, {len(rows)} threads")
        met += len(rows)
        cut += [f"thread {r['tid']} ({r['role']}) has a stack that is {r['stack_state']}: {functions(r)[-3:]}"
                  for r in rows.values() if r["stack_state"] != "whole"]
        beat = rows[program.tid["beat"]]
        beating += beat["role"] == "Go" and "main.beat" in functions(beat)
        if beat["role"] != "Go" and beat["role"] not in OFF_CPU:
            wrong.append(f"beat is {beat['role']}, {functions(beat)}")
        if "burns" in program.tid and not in_order(("c_burns", "runtime.cgocall", "main.burns"),
                                                   functions(rows[program.tid["burns"]])):
            wrong.append(f"burns is {functions(rows[program.tid['burns']])}")
    if len(cut) > met // 50:  # a thread may stand between two stacks, where the runtime switches them
        wrong += cut
    if not beating:
        wrong.append("beat was never met on its CPU")
    still = stands_by_itself(program)
    t.same(f"{name}: with --freeze every stack is whole, those of running threads too", wrong)
    t.case(f"{name}: and it runs on", not still, still)
    print(f"# {name}: stood still for {min(stops):.1f} to {max(stops):.1f} ms")


def goroutines_freeze(t, osprey, program):
    run = subprocess.run([osprey, "goroutines", "--freeze", "--json", str(program.pid)], capture_output=True, text=True,
                         timeout=120, check=False)
    answer = json.loads(run.stdout) if run.returncode == 0 else {}
    still = stands_by_itself(program)
    t.case("goroutines --freeze says how long it stood still, and it runs on",
           answer.get("stopped") and answer.get("stopped_ms", 0) > 0 and not answer["stopped_too_short"] and not still,
           run.stderr, still, {k: v for k, v in answer.items() if k.startswith("stopped")})


def survives_kills(t, osprey, program):
    """Whoever stops it is killed at any moment of its work."""
    wrong, chance = [], random.Random(4711)
    for _ in range(KILLS):
        run = subprocess.Popen([osprey, "threads", "--freeze", "-d", "0", str(program.pid)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 0.06))
        run.send_signal(signal.SIGKILL)
        run.wait()
        still = stands_by_itself(program)
        if still:
            wrong.append(still)
    t.same(f"it beats on after each of {KILLS} ends by SIGKILL of who stops it", wrong)


def core(t, osprey, program, name):
    """What a debugger copied of it while it ran says the same, and has every stack."""
    if not shutil.which("gcore"):
        t.skip(f"{name}: its core", "there is no gcore")
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["gcore", "-o", f"{folder}/core", str(program.pid)], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False, timeout=300)
        run = subprocess.run([osprey, "threads", "--json", f"{folder}/core.{program.pid}"], capture_output=True, text=True,
                             timeout=120, check=False)
    if run.returncode:
        t.case(f"{name}: its core", False, run.stderr)
        return
    rows = {row["tid"]: row for row in json.loads(run.stdout)["threads"]}
    wrong = [f"{r['tid']} ({r['role']}) has a stack that is {r['stack_state']}" for r in rows.values()
             if r["stack_state"] != "whole"]
    for kind, tid in program.tid.items():
        role, call, _, stack = TRUTH[kind]
        row = rows.get(tid, {})
        off_cpu = kind == "beat" and row.get("role") in OFF_CPU
        if (row.get("role") != role and not off_cpu) or not in_order(stack, functions(row)):
            wrong.append(f"{kind} is {row.get('role')}, {functions(row)}")
        if call and row.get("call", {}).get("name") not in (call, "restart_syscall"):  # a stop breaks off a sleep
            wrong.append(f"{kind} is in {row.get('call')}")
    t.same(f"{name}: its core says the same, and has every stack", wrong)


def c_program(t, osprey, folder):
    run = subprocess.Popen([folder / "c-idle"])
    try:
        time.sleep(0.2)
        answer, rows = threads(osprey, run.pid, "-d", "0.1")
        wrong = [f"{r}" for r in rows.values() if r["role"] != "C" or r["stack_state"] != "whole"]
        if "go" in answer or set(rows) != {int(x) for x in os.listdir(f"/proc/{run.pid}/task")}:
            wrong.append(f"{answer}")
        t.same("a program of C has threads of C, with their stacks", wrong)
    finally:
        run.kill()
        run.wait()


def other_release(t, osprey, release):
    with tempfile.TemporaryDirectory() as folder:
        for name, words in (("threads", ()), ("threads-stripped", ("-ldflags=-s -w",))):
            out = pathlib.Path(folder) / name
            env = dict(os.environ, GOTOOLCHAIN=release, CGO_ENABLED="0", GOFLAGS="-mod=mod")
            build = subprocess.run(["go", "build", *words, "-o", out, "./threads"], cwd=TARGETS, env=env,
                                   capture_output=True, text=True, check=False)
            if build.returncode:
                t.skip(f"{release}: {name}", "the release cannot be had or does not build here")
                continue
            with Program(out) as program:
                t.same(f"{release}: {name}", agrees(osprey, program, "-d", "0.2"))


def main(osprey, folder, releases):
    build_targets(folder, "threads", "threads-go", "threads-go-stripped", "threads-pie-stripped", "c-idle")
    t = Tap()
    if releases:
        for release in os.environ.get("OSPREY_GO_RELEASES", " ".join(releases)).split():
            other_release(t, osprey, release)
        return t.end()
    try:
        with Program(folder / "threads") as program:
            threads(osprey, program.pid, "--freeze", "-d", "0")
    except RuntimeError as e:
        if "cannot " in str(e):
            skip_all(str(e))
        raise
    for name in ("threads", "threads-go", "threads-go-stripped", "threads-pie-stripped"):
        with Program(folder / name) as program:
            t.same(f"{name}: each thread is what it says itself", agrees(osprey, program, "-d", "0.3"))
            freezes(t, osprey, program, name)
            core(t, osprey, program, name)
    with Program(folder / "threads") as program:
        goroutines_freeze(t, osprey, program)
        survives_kills(t, osprey, program)
    c_program(t, osprey, folder)
    return t.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[4:] if "--releases" in sys.argv else []))
