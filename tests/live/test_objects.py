#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `osprey goroutines` says goroutines wait on, beside a program that knows it; live and from a core.

Usage: test_objects.py OSPREY FOLDER [RELEASE...]. FOLDER is where tests/targets/build.sh puts programs; each release of Go
(all that OSPREY_GO_RELEASES names, else the arguments; "local" is the one in the path) builds the program, stripped. What
cannot be had is skipped. Prints TAP."""
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time

from ready import TARGETS, need_go
from tap import Tap

# function: goroutines in it, and what each of them waits on: kind, name of the object's address, way
TRUTH = {
    "main.receiver": (7, [("channel", "in", "in")]),
    "main.sender": (6, [("channel", "full", "out")]),
    "main.selector": (5, [("channel", "in", "in"), ("channel", "out", "out"), ("channel", "done", "in")]),
    "main.locker": (4, [("mutex", "mu", None)]),
    "main.grouped": (4, [("wait_group", "wg", None)]),
    "main.reader": (3, [("rwmutex_read", "rw", None)]),
    "main.writer": (1, [("rwmutex_write", "rw2", None)]),
    "main.conditional": (3, [("cond", "cond", None)]),
}


def build(release, folder):
    """The program by a release; None if that cannot be had."""
    out = pathlib.Path(folder) / f"objects-{release}"
    env = dict(os.environ, CGO_ENABLED="0", GOFLAGS="-mod=mod")
    if release != "local":
        env["GOTOOLCHAIN"] = release
    with tempfile.TemporaryDirectory() as work:
        source = pathlib.Path(work) / "main.go"
        source.write_text((TARGETS / "objects" / "main.go").read_text(encoding="utf-8"), encoding="utf-8")
        (pathlib.Path(work) / "go.mod").write_text("module objects\n\ngo 1.16\n", encoding="utf-8")
        done = subprocess.run(["go", "build", "-ldflags=-s -w", "-o", str(out), "."], cwd=work, env=env,
                              capture_output=True, text=True, check=False)
    return out if done.returncode == 0 else None


class Program:
    """One that says where what it waits on is."""

    def __init__(self, path):
        self.process = subprocess.Popen([str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def goroutines(osprey, target):
    run = subprocess.run([osprey, "goroutines", "--json", str(target)], capture_output=True, text=True, timeout=120,
                         check=False)
    if run.returncode:
        raise RuntimeError(f"osprey goroutines: {run.returncode}: {run.stderr}")
    return json.loads(run.stdout)


def group_of(answer, function):
    for group in answer["groups"]:
        if any(frame["function"] == function for frame in group["stack"]):
            return group
    return None


def objections(answer, said):
    """What is not as the program says."""
    wrong = []
    for function, (count, objects) in TRUTH.items():
        group = group_of(answer, function)
        waits = group and group.get("waits")
        if not waits:
            wrong.append(f"{function}: nothing is said")
            continue
        if group["count"] != count or waits["known"] != count:
            wrong.append(f"{function}: {group['count']} goroutines, {waits['known']} known, not {count}")
        found = {(o["kind"], o.get("lock", o["address"]), o.get("way") if o["kind"] == "channel" else None): o["count"]
                 for o in waits["objects"]}
        wanted = {(kind, said[name], way): count for kind, name, way in objects}
        if found != wanted:
            wrong.append(f"{function}: {found}, not {wanted}")
    return wrong


def details(answer, said):
    """The state of objects."""
    wrong = []

    def expect(function, **fields):
        group = group_of(answer, function)
        objects = (group or {}).get("waits", {}).get("objects", [{}])
        for key, value in fields.items():
            if objects[0].get(key) != value:
                wrong.append(f"{function}: {key} is {objects[0].get(key)}, not {value}")

    expect("main.receiver", capacity=0, length=0, closed=False, receivers=12, senders=0, element_type="int")
    expect("main.sender", capacity=2, length=2, receivers=0, senders=6, element_type="[3]uint8")
    expect("main.locker", held=True, waiting=4)
    expect("main.grouped", not_done=3, waiting=4)
    expect("main.reader", waiting=3, readers=0)
    expect("main.writer", readers=1)
    holder = group_of(answer, "main.holder")["goroutines"][0]["id"]
    for function in ("main.receiver", "main.locker"):
        one = group_of(answer, function)["waits"]["objects"][0]
        if holder not in one["referenced_by"]:
            wrong.append(f"{function}: goroutine {holder} has it, not {one['referenced_by']} alone")
    return wrong


def times_and_sockets(answer, said):
    wrong = []
    sleep = group_of(answer, "main.sleeper")["waits"]
    if not 3000e9 < sleep.get("first_due_in_ns", 0) <= sleep.get("last_due_in_ns", 0) < 3600e9:
        wrong.append(f"an hour of sleep ends in {sleep}")
    for function, name, way in (("main.acceptor", "listener", "in"), ("main.socketReader", "idle", "in"),
                                ("main.socketWriter", "stuck", "out")):
        one = group_of(answer, function)["waits"]["objects"][0]
        if one.get("local") != said[name] or one.get("way") != way:
            wrong.append(f"{function}: {one}, not {said[name]} {way}")
    stuck = group_of(answer, "main.socketWriter")["waits"]["objects"][0]
    if not stuck.get("unsent"):
        wrong.append(f"nobody reads what is written, and all is sent: {stuck}")
    return wrong


def core_of(program, folder):
    """The core of a crash, and what the program had said; None and why it cannot be had."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8").strip()
    if pattern.startswith("|") or "/" in pattern:
        return None, f"cores of this machine go elsewhere: {pattern}"
    with tempfile.TemporaryDirectory(dir=folder) as work:
        run = subprocess.run([str(program), "crash"], cwd=work, capture_output=True, text=True, check=False,
                             stdin=subprocess.DEVNULL, timeout=120, env=dict(os.environ, GOTRACEBACK="crash"),
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (1 << 32, 1 << 32)))
        cores = list(pathlib.Path(work).glob("core*"))
        if run.returncode != -signal.SIGABRT or not cores:
            return None, f"it left no core: {run.returncode}"
        path = pathlib.Path(folder) / "core.objects"
        cores[0].rename(path)
        return path, json.loads(run.stdout.splitlines()[0])


def test_live(tap, osprey, name, program):
    with Program(program) as p:
        wrong = ["not tried"]
        for _ in range(20):  # goroutines that have not come to wait yet
            answer = goroutines(osprey, p.said["pid"])
            wrong = objections(answer, p.said)
            if not wrong:
                break
            time.sleep(0.5)
        tap.same(f"{name}: all objects are known", wrong)
        wrong = details(answer, p.said)
        tap.same(f"{name}: their state is known", wrong)
        wrong = times_and_sockets(answer, p.said)
        tap.same(f"{name}: sleeps and sockets are known", wrong)


def test_core(tap, osprey, name, program, folder):
    core, said = core_of(program, folder)
    if not core:
        tap.skip(f"{name}: from a core", said)
        return
    answer = goroutines(osprey, core)
    wrong = objections(answer, said) + details(answer, said)
    tap.same(f"{name}: the same from a core", wrong)
    core.unlink()


def main():
    osprey, folder, *releases = sys.argv[1:]
    need_go()
    os.makedirs(folder, exist_ok=True)
    releases = os.environ.get("OSPREY_GO_RELEASES", "").split() or releases or ["local"]
    tap = Tap()
    for release in releases:
        program = build(release, folder)
        if not program:
            tap.skip(release, "this toolchain cannot be had")
            continue
        test_live(tap, osprey, release, program)
        test_core(tap, osprey, release, program, folder)
    return tap.end()


sys.exit(main())
