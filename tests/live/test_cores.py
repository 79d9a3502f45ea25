#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goroutines, timers, the scheduler and memory of cores, beside the same programs while they ran; cores whose program lies
elsewhere (--exe, --root); and Go libraries in C programs (-buildmode=c-shared), live and as a core.

Usage: test_cores.py OSPREY FOLDER     FOLDER keeps the built programs. Prints TAP."""
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

import ready
import test_goroutines as live
from tap import Tap


def asked(osprey, command, *words):
    run = subprocess.run([osprey, command, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr.strip())
    return run.stdout


def known(groups):
    """The groups of the program's truth, as far as they do not change."""
    keep = {}
    for g in groups:
        function = g.get("where", {}).get("function")
        if function in live.KNOWN or function in ("main.parked", "main.Stay"):
            stack = tuple((f["function"], f.get("line")) for f in g["stack"])
            keep[function, g.get("wait_reason"), g["created_by"].get("function") if "created_by" in g else None, stack] = g["count"]
    return keep


def groups(osprey, of, *words):
    return known(json.loads(asked(osprey, "goroutines", of, "--json", *words))["groups"])


def gcore(pid, folder):
    subprocess.run(["gcore", "-o", f"{folder}/copy", str(pid)], capture_output=True, check=False, timeout=300)
    return pathlib.Path(folder, f"copy.{pid}")


def crash(target, folder):
    """Ends it; its core, None where the kernel writes none here."""
    pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8").strip()
    if pattern.startswith("|") or "/" in pattern:
        return None
    os.kill(target.pid, 6)
    target.child.wait(120)
    cores = list(pathlib.Path(folder).glob("core*"))
    return cores[0] if cores else None


def start(program, folder):
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 32, 1 << 32))
    os.chdir(folder)
    os.environ["GOTRACEBACK"] = "crash"
    return live.Target(str(program), stderr=subprocess.DEVNULL)


def says_the_same(tap, name, osprey, program, folder):
    with start(program, folder) as target:
        live.settle(osprey, target)
        alive, timers = groups(osprey, target.pid), asked(osprey, "timers", target.pid)
        for core, kind in ((gcore(target.pid, folder), "copied"), (crash(target, folder), "of a crash")):
            if not core or not core.exists():
                tap.skip(f"{name}: a core {kind}", "cannot be had here")
                continue
            found = groups(osprey, core)
            wrong = [f"{k}: {n}, {found.get(k)} in the core" for k, n in alive.items() if found.get(k) != n]
            if timers.split(":")[1].split()[0] != asked(osprey, "timers", core).split(":")[1].split()[0]:
                wrong.append("timers differ")
            if " gomaxprocs=" not in asked(osprey, "sched", core, "--detail"):
                wrong.append("sched says nothing")
            tap.same(f"{name}: a core {kind} has the same goroutines and timers", wrong or ([] if alive else ["none"]))
            core.unlink()


def elsewhere(tap, osprey, program, folder):
    """The program is gone from where it ran."""
    moved = pathlib.Path(folder, "here", "x")
    moved.parent.mkdir()
    shutil.copy(program, moved)
    with start(moved, folder) as target:
        live.settle(osprey, target)
        alive, core = groups(osprey, target.pid), gcore(target.pid, folder)
    if not core.exists():
        tap.skip("a core whose program is elsewhere", "there is no gcore")
        return
    away = pathlib.Path(folder, "away")
    root = pathlib.Path(folder, "root")
    (root / str(moved.parent).lstrip("/")).mkdir(parents=True)
    shutil.copy(moved, root / str(moved).lstrip("/"))
    moved.rename(away)
    other = pathlib.Path(folder, "other")
    shutil.copy(shutil.which("true"), other)
    for words in (("--exe", away), ("--root", root), ("--root", str(root) + "/")):
        tap.case(f"{words[0]} finds the program", groups(osprey, core, *words) == alive)
    for words in ((), ("--exe", other), ("--exe", folder + "/none"), ("--root", folder)):
        run = subprocess.run([osprey, "goroutines", str(core), *map(str, words)], capture_output=True, text=True, check=False)
        tap.case(f"without the program {' '.join(map(str, words[:1]))} an error says so",
                 run.returncode == 1 and run.stderr.count("\n") == 1 and ("cannot open" in run.stderr or "another file" in run.stderr or "not regular" in run.stderr),
                 run.returncode, run.stderr, run.stdout[:500])
    run = subprocess.run([osprey, "goroutines", str(os.getpid()), "--exe", "x"], capture_output=True, text=True, check=False)
    tap.case("--exe is for cores", run.returncode == 2 and "for a core" in run.stderr, run.stderr)


def in_a_c_program(tap, osprey, folder, words):
    source = ready.TARGETS / "c-parked"
    name = "a Go library in a C program" + (", stripped" if words else "")
    library, host = pathlib.Path(folder, "libparked.so"), pathlib.Path(folder, "host")
    for command in (["go", "build", "-buildvcs=false", "-buildmode=c-shared", *words, "-o", library, "./c-parked"],
                    ["cc", "-O2", "-o", host, source / "host.c", library, "-lpthread"]):
        if subprocess.run(command, cwd=ready.TARGETS, capture_output=True, check=False,
                          env=dict(os.environ, CGO_ENABLED="1")).returncode:
            tap.skip(name, "it does not build here")
            return
    with subprocess.Popen([host], stdout=subprocess.PIPE, text=True) as process:
        try:
            count = int(process.stdout.readline())
            of = process.pid
            for kind in ("", ", as a core"):
                found = groups(osprey, of)
                got = {}
                for (function, reason, creator, stack), n in found.items():
                    got[function] = (got.get(function, (0,))[0] + n, reason, creator, stack)
                said = int(asked(osprey, "goroutines", of, "-count"))
                # The goroutine that Park ran on stays with its thread, which is in C again; before Go 1.21 it went.
                wrong = [] if said in (count - 1, count) else [f"{said} goroutines, Park said {count}"]
                if got.get("main.parked", ())[:3] != (25, "chan receive", "main.Park"):
                    wrong.append(f"parked: {got.get('main.parked')}")
                names = [f[0] for f in got.get("main.Stay", (0, 0, 0, ()))[3]]
                if got.get("main.Stay", ())[:2] != (1, "chan receive") or "runtime.cgocallback" not in names:
                    wrong.append(f"Stay: {got.get('main.Stay')}")
                rows = json.loads(asked(osprey, "threads", of, "--json", *([] if kind else ["-d", "0"])))["threads"]
                if not any("main" == f["function"] for r in rows for f in r.get("frames", r.get("stack", []))):
                    wrong.append(f"no thread stands below main of C: {rows[0]}")
                tap.same(name + kind, wrong)
                of = gcore(process.pid, folder)
                if not of.exists():
                    tap.skip(f"{name}, as a core", "there is no gcore")
                    break
        finally:
            process.kill()


def why_of(tap, osprey, program, folder):
    """A core of a program that stands still for ever, and one of a program that is well."""
    with start(program, folder) as target:
        core = gcore(target.pid, folder)
        if not core or not core.exists():
            tap.skip("why of a core", "there is no gcore")
            return
    run = subprocess.run([osprey, "why", core, "--json", "--save", f"{folder}/facts"], capture_output=True, text=True,
                         timeout=300)
    answer = json.loads(run.stdout)
    found = [f for f in answer["findings"] if f["confidence"] >= 0.6]
    tap.case("why finds the deadlock in a core", run.returncode == 3 and len(found) == 1
             and found[0]["verdict"] == "goroutine-deadlock" and found[0]["culprit"]["func"] == "main.(*account).pay"
             and found[0]["more"] == f"osprey goroutines {core}" and answer["core"]["path"] == str(core), run)
    again = subprocess.run([osprey, "why", f"{folder}/facts", "--json"], capture_output=True, text=True, timeout=300)
    tap.equal("and says the same of the facts that were saved", run.stdout, again.stdout)
    run = subprocess.run([osprey, "why", core], capture_output=True, text=True, timeout=300)
    tap.case("what takes time is not claimed of a core",
             "a core, copied while it ran" in run.stdout and not re.search(r"\bobserved\b|while we looked|CPU ", run.stdout), run)
    core.unlink()


def main():
    ready.need_go()
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    names = ["goroutines", "goroutines-stripped", "goroutines-pie", "goroutines-cgo"]
    ready.build_targets(folder, *names, "circle")
    tap = Tap()
    for name in names:
        with tempfile.TemporaryDirectory() as work:
            says_the_same(tap, name, osprey, folder / name, work)
    with tempfile.TemporaryDirectory() as work:
        elsewhere(tap, osprey, folder / "goroutines", work)
    with tempfile.TemporaryDirectory() as work:
        why_of(tap, osprey, folder / "circle", work)
    for words in ((), ("-ldflags=-s -w",)):
        with tempfile.TemporaryDirectory() as work:
            in_a_c_program(tap, osprey, work, words)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
