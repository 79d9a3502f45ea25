#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey record` without BPF: by root, and by an ordinary user on his own processes. Usage: test_fallback.py OSPREY FOLDER

FOLDER is where tests/targets/build.sh puts the programs. The program's stacks fit into a copy, so that all of them are to be whole.
Needs Go (its pprof reads the profiles) and perf events; what this machine or user may not do is skipped. Prints TAP."""
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile

import test_births as births
from ready import build_targets
from tap import Tap

NOBODY = 65534
WHOLE = 0.9  # of stacks that were copied: what a newborn has mapped is read a moment later


def announced(said):
    return [] if "without BPF" in said["gave_up"] and not said["bpf"] else [f"not announced: {said['gave_up']!r}"]


def whole(said):
    return births.whole(said, WHOLE) + announced(said)


def command(b, *words):
    """What descends from a command is sampled with it; the sum is right."""
    said, told = b.record(["-F", "199", "--", b.program, *words])
    truth = float(told.split("truth ")[-1].split()[0])
    sampled = b.cpu_seconds()
    lost = said["lost"] and sampled < truth  # whose they were is not known
    return births.named(b.samples(), least=WHOLE) + whole(said) + ([] if lost else births.sums_up(sampled, truth, said["samples"]))


def tree(b):
    """Children of children, by exec and fork, which all run long enough for clocks of their own."""
    said, _ = b.record(["-F", "199", "--", "sh", "-c", f"{b.program} spin 400 & sh -c '{b.program} children 4 200'; wait"])
    found = b.samples()
    pids = {s.labels["pid"] for s in found if "spin_some" in s.frames}
    return births.named(found, least=WHOLE) + whole(said) + ([] if len(pids) >= 5 else [f"only of pids {pids}"])


def threads_come(b):
    """Threads that start while we sample, in a process that was there before."""
    gate = b.file("gate2")
    child = subprocess.Popen(["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.01; done; exec {b.program} threads 20 100"],
                             stdout=subprocess.DEVNULL, **b.user)
    try:
        sampler = subprocess.Popen([b.osprey, "record", *b.options, str(child.pid), "-F", "199", "-o", b.file("p.pb.gz"), "--json"],
                                   stdout=subprocess.DEVNULL, **b.user)
        while not os.path.exists(gate):
            if sampler.poll() is not None:
                return ["osprey ended"]
            maps = pathlib.Path(f"/proc/{sampler.pid}/maps").read_text()
            if "perf_event" in maps:
                pathlib.Path(gate).touch()
        sampler.wait(60)
        found = b.samples()
        tids = {s.labels["tid"] for s in found if "spin_some" in s.frames}
        return births.named(found, least=WHOLE) + ([] if len(tids) >= 18 else [f"of 20 threads only {len(tids)} were seen"])
    finally:
        child.kill()
        child.wait()


def others(b):
    """Another user's process is refused in one line that says the cure."""
    done = subprocess.run([b.osprey, "record", "1", "-d", "1"], capture_output=True, text=True, **b.user)
    ok = done.returncode == 1 and done.stderr.count("\n") == 1 and "root" in done.stderr
    return [] if ok else [f"status {done.returncode}: {done.stderr}"]


def machine_refused(b):
    done = subprocess.run([b.osprey, "record", "--all", "-d", "1"], capture_output=True, text=True, **b.user)
    ok = done.returncode == 1 and done.stderr.count("\n") == 1 and "perf_event_paranoid" in done.stderr
    return [] if ok else [f"status {done.returncode}: {done.stderr}"]


def paranoid():
    return int(pathlib.Path("/proc/sys/kernel/perf_event_paranoid").read_text())


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    only = sys.argv[3] if len(sys.argv) > 3 else ""
    build_targets(folder, "births")
    tap = Tap()
    with tempfile.TemporaryDirectory() as work:
        os.chmod(work, 0o777)
        for program in (osprey, str(folder / "births")):
            shutil.copy(program, work)
            os.chmod(os.path.join(work, os.path.basename(program)), stat.S_IRWXU | 0o55)
        b = births.Bench(os.path.join(work, "osprey"), os.path.join(work, "births"), work)
        b.options = ["--no-bpf"]
        try:
            b.record(["--", b.program, "spin", "100"])
        except AssertionError as why:
            print(f"1..0 # SKIP this user has no perf events: {why}")
            return 0
        root = os.geteuid() == 0
        no_all = None if root or paranoid() <= 0 else "this user may not sample CPUs"
        path = births.cgroup_folder() if root else None
        user = births.Bench(b.osprey, b.program, work)
        if root:
            user.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        no_user = None if paranoid() <= 2 else "ordinary users have no perf events here"
        for name, test, skip in [
                ("a command", lambda: command(b, "spin", "1000"), None),
                ("children that live 5 ms", lambda: command(b, "children", "200", "5"), no_all),
                ("children that exec and live 5 ms", lambda: command(b, "execs", "200", "5"), no_all),
                ("a tree of processes", lambda: tree(b), None),
                ("several processes", lambda: births.several(b), None),
                ("the whole machine", lambda: births.machine(b), no_all),
                ("a cgroup", lambda: births.cgroup(b, lambda p: p), None if path else "no cgroup may be made here"),
                ("one side alone", lambda: births.one_side(b), no_all),
                ("threads that come", lambda: threads_come(b), None),
                ("a user's command", lambda: command(user, "spin", "1000"), no_user),
                ("a user's tree of processes", lambda: tree(user), no_user),
                ("a user's processes", lambda: births.several(user), no_user),
                ("a user's threads that come", lambda: threads_come(user), no_user),
                ("another user's process", lambda: others(user), no_user),
                ("the whole machine by a user", lambda: machine_refused(user), no_user if root else "asked of a user only")]:
            if only and only not in name:
                continue
            if skip:
                tap.skip(name, skip)
                continue
            for file in ("p.pb.gz", "gate", "gate2"):
                if os.path.exists(b.file(file)):
                    os.unlink(b.file(file))
            try:
                tap.same(name, test())
            except AssertionError as why:
                tap.case(name, False, why)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
