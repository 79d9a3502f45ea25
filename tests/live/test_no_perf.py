#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey where there are no perf events, as in most containers: times are right, waits have their places, and what cannot be
seen is said. Usage: test_no_perf.py OSPREY FOLDER NO_PERF

FOLDER is where tests/targets/build.sh puts the programs; NO_PERF is the program of no_perf.c, which refuses the events by a
real seccomp filter. Needs Go (its pprof reads the profiles). Prints TAP."""
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

import stacks
import test_births as births
from ready import build_targets, skip_all
from tap import Tap

NOBODY = 65534
RUNNING, KERNEL, ENDED, IN_C = "[running, place unknown]", "[kernel, place unknown]", "[threads that ended]", "[C, place unknown]"
SLACK_S = 0.012  # a look, and a tick, beside the 2 %


class Bench(births.Bench):
    error, no_perf = "EPERM", ""

    def run(self, *words, **more):
        return subprocess.run([self.no_perf, self.error, self.osprey, *words], capture_output=True, text=True, **self.user, **more)

    def record(self, words, name="p.pb.gz"):
        done = self.run("record", "-o", self.file(name), "--json", *words)
        if done.returncode != 0:
            raise AssertionError(f"exit status {done.returncode}: {done.stderr.strip()}")
        at = done.stdout.index('{\n  "schema"')
        return json.loads(done.stdout[at:]), done.stdout[:at]


def announced(said):
    good = said["proc"] and not said["bpf"] and "where code runs is not seen" in said["gave_up"] and "perf events are refused" in said["gave_up"]
    return [] if good else [f"not announced: {said}"]


def near(what, got, truth, part=0.02, slack=SLACK_S):
    return [] if abs(got - truth) <= part * truth + slack else [f"{what}: {got:.4f} s, in truth {truth:.4f} s"]


def command(b, *words):
    """CPU time is that of /proc, of threads and processes that come and go too; no place is made up."""
    said, told = b.record(["--", b.program, *words])
    truth = float(re.findall(r"truth ([\d.]+)", told)[-1])
    found = b.samples()
    leaves = {s.frames[0] for s in found}
    strange = leaves - {RUNNING, KERNEL, ENDED}
    return announced(said) + near("sum", b.cpu_seconds(), truth) + (
        [f"CPU time at {strange}"] if strange else []) + ([] if RUNNING in leaves else [f"only {leaves}"])


def waits(b):
    """Each thread of the program: its life (to the look before its end: looks are rarer where they cost much, as in a slow build), its
    CPU time, and where it was blocked."""
    said, told = b.record(["-e", "wall", "--", b.waits, "5", b.file("data")])
    bad = announced(said)
    truth = {name: dict(re.findall(r"(\w+)=(\d+)", rest)) for name, rest in re.findall(r"truth (\S+) (.*)", told)}
    column = {name: stacks.read(b.file("p.pb.gz"), name, "ns") for name in ("wall", "running", "wall-blocked")}
    seen = 0
    for name, of in truth.items():
        def total(index, keep=lambda s: True):
            return sum(s.value for s in column[index] if s.labels.get("thread") == name and keep(s)) / 1e9
        if "cpu" not in of:
            continue
        outer, cpu = int(of["outer"]) / 1e9, int(of["cpu"]) / 1e9
        if not total("wall"):
            continue
        seen += 1
        bad += near(f"{name}: wall", total("wall"), outer, slack=0.6) + near(f"{name}: CPU", total("running"), cpu, slack=0.03)
        if name in ("sleep", "futex", "read", "epoll"):
            inside = total("wall-blocked", lambda s: any(f.endswith("_step") for f in s.frames))
            if inside < 0.9 * total("wall-blocked"):
                bad.append(f"{name}: {inside:.3f} s of {total('wall-blocked'):.3f} s blocked have their place")
    return bad + ([] if seen >= 4 else [f"threads seen: {sorted({s.labels.get('thread') for s in column['wall']})}, of {sorted(truth)}"])


def below_c(b):
    """While a goroutine is in C, where it called C is known; in Go, what it is and where it began."""
    child = subprocess.Popen([b.shares], stdout=subprocess.PIPE, text=True)
    try:
        first = child.stdout.readline()
        said, _ = b.record([str(child.pid), "-d", "4"])
        last = [child.stdout.readline() for _ in range(4)][-1]
    finally:
        child.kill()
        child.wait()
    found = stacks.read(b.file("p.pb.gz"), "cpu", "ns")
    own = [s for s in found if s.labels.get("goroutine") == "1"]
    in_c = stacks.share(own, lambda s: s.frames[0] == IN_C)
    placed = stacks.share([s for s in own if s.frames[0] == IN_C], lambda s: s.has("main.main", "main.viaC", "main._Cfunc_heavy_c", IN_C))
    begun = stacks.share(own, lambda s: s.frames[-1] in ("runtime.main", "runtime.goexit"))
    known = sum(s.value for s in own) / sum(s.value for s in found)
    truth = float(re.search(r"c=([\d.]+)", last or first)[1])
    allowed = 0.05 + 6 * (truth * (1 - truth) / max(len(own) and known * said["samples"] / 2, 1)) ** 0.5
    print(f"# in C {in_c:.3f}, in truth {truth:.3f} ± {allowed:.3f}; with its place {placed:.3f}; of {known:.3f} the goroutine is known")
    if known < 0.2:  # so busy a machine that looks hardly ever met it on a CPU: what is claimed of the rest is nothing
        return announced(said)
    return announced(said) + ([] if abs(in_c - truth) <= allowed else [f"{in_c:.3f} in C, in truth {truth:.3f}, ± {allowed:.3f}"]) + (
        [] if begun > 0.99 else [f"only {begun:.3f} has where its goroutine began"]) + (
        [] if placed > 0.7 else [f"only {placed:.3f} in C has where it was called"])


def several(b):
    """Two processes, and what they start later."""
    gate = b.file("gate")
    kids = [subprocess.Popen(["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done; {b.program} spin 900; sleep 0.7"], stdout=subprocess.DEVNULL)
            for _ in range(2)]
    try:
        sampler = subprocess.Popen([b.no_perf, b.error, b.osprey, "record", *[str(k.pid) for k in kids], "--children", "-o", b.file("p.pb.gz"), "--json"],
                                   stdout=subprocess.PIPE, text=True)
        time.sleep(1)  # that it has begun; what runs before counts less, and is not wrong
        pathlib.Path(gate).touch()
        out, _ = sampler.communicate(timeout=60)
    finally:
        for k in kids:
            k.kill()
            k.wait()
    spent = [s.value for s in stacks.read(b.file("p.pb.gz"), "cpu", "ns") if s.labels.get("thread") == "births"]
    return announced(json.loads(out)) + near("sum", sum(spent) / 1e9, 1.8, slack=0.05)


def refused(b):
    """What needs an event is refused in one line that says the cure."""
    done = b.run("record", "-e", "page-faults", "-o", b.file("no.pb.gz"), "--", b.program, "spin", "10")
    ok = done.returncode == 1 and done.stderr.count("\n") == 1 and "page-faults" in done.stderr and "PERFMON" in done.stderr
    return [] if ok else [f"status {done.returncode}: {done.stderr}"]


def commands(b):
    """Each command that samples answers with what it has, and says what is missing."""
    child = b.start("spin", "60000")
    bad = []
    try:
        pid = str(child.pid)
        why = b.run("why", pid, "-d", "2", "--json")
        facts = why.stdout
        if why.returncode not in (0, 3) or "perf events are refused" not in facts or '"findings"' not in facts:
            bad.append(f"why: status {why.returncode}: {why.stderr} {facts[:400]}")
        top = b.run("top", pid, "--json", "-d", "1")
        said = json.loads(top.stdout or "{}")
        if "where code runs is not seen" not in said.get("gave_up", "") or RUNNING not in [f["name"] for f in said["functions"]]:
            bad.append(f"top: status {top.returncode}: {top.stderr} {top.stdout[:400]}")
        flame = b.run("flame", pid, "-d", "1", "-o", b.file("now.svg"))
        if flame.returncode or RUNNING not in pathlib.Path(b.file("now.svg")).read_text():
            bad.append(f"flame: status {flame.returncode}: {flame.stderr}")
        doctor = b.run("doctor")
        if doctor.returncode or "PERFMON" not in doctor.stdout:
            bad.append(f"doctor: status {doctor.returncode}: {doctor.stdout}")
    finally:
        child.kill()
        child.wait()
    return bad


def machine(b):
    """All processes: one that burns is told apart."""
    child = b.start("spin", "60000")
    try:
        said, _ = b.record(["--all", "-d", "2"])
        read = lambda: sum(int(x) for x in pathlib.Path(f"/proc/{child.pid}/schedstat").read_text().split()[:1]) / 1e9
        used = read()
    finally:
        child.kill()
        child.wait()
    own = sum(s.value for s in stacks.read(b.file("p.pb.gz"), "cpu", "ns") if s.labels.get("pid") == str(child.pid)) / 1e9
    return announced(said) + ([] if 0.2 * used < own <= used + SLACK_S else [f"{own:.3f} s of {used:.3f} s"])


def main():
    osprey, folder, no_perf = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute(), os.path.abspath(sys.argv[3])
    only = sys.argv[4] if len(sys.argv) > 4 else ""
    build_targets(folder, "births", "c-waits", "shares")
    tried = subprocess.run([no_perf, "EPERM", "true"], capture_output=True, text=True)
    if tried.returncode:
        skip_all(f"no seccomp filter: {tried.stderr.strip()}")
    tap = Tap()
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o777)
        for program in (osprey, no_perf, str(folder / "births")):
            shutil.copy(program, work)
            os.chmod(os.path.join(work, os.path.basename(program)), stat.S_IRWXU | 0o55)
        b = Bench(os.path.join(work, "osprey"), os.path.join(work, "births"), work)
        b.no_perf, b.waits, b.shares = os.path.join(work, os.path.basename(no_perf)), str(folder / "c-waits"), str(folder / "shares")
        user = Bench(b.osprey, b.program, work)
        user.no_perf, user.error = b.no_perf, "ENOSYS"
        if os.geteuid() == 0:
            user.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for name, test in [
                ("a command", lambda: command(b, "spin", "700")),
                ("threads that live 100 ms", lambda: command(b, "threads", "10", "100")),
                ("children", lambda: command(b, "children", "3", "700")),
                ("where threads wait, and how long", lambda: waits(b)),
                ("goroutines in C and in Go", lambda: below_c(b)),
                ("several processes, and what they start", lambda: several(b)),
                ("the whole machine", lambda: machine(b)),
                ("an event that cannot be had", lambda: refused(b)),
                ("why, top, flame, doctor", lambda: commands(b)),
                ("an ordinary user's command, no such system call", lambda: command(user, "spin", "700")),
                ("an ordinary user's threads", lambda: command(user, "threads", "10", "100"))]:
            if only and only not in name:
                continue
            for file in ("p.pb.gz", "gate"):
                if os.path.exists(b.file(file)):
                    os.unlink(b.file(file))
            try:
                tap.same(name, test())
            except AssertionError as why:
                tap.case(name, False, why)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
