#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey ps` beside Go programs that know their own goroutines, heap and collections, and beside /proc.

Usage: test_ps.py OSPREY FOLDER. FOLDER is where tests/targets/build.sh puts the programs. OSPREY_GO_RELEASES names toolchains
("go1.22.12 go1.18.10") that build them too; what cannot be had is skipped. Needs Go and the right to read processes; else it
is skipped, and says why. Prints TAP."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from tap import Tap

HERE = pathlib.Path(__file__).resolve().parent
TARGETS = HERE.parent / "targets"
HOST = HERE.parent / "unit" / "goruntime" / "program"
RELEASES = os.environ.get("OSPREY_GO_RELEASES", "go1.24.13 go1.22.12").split()
TRIES = 5  # a program at rest is read right the first time; one that is only just at rest perhaps not


class Resident:
    """A program that answers, and what it said last."""

    def __init__(self, words, prefix=()):
        self.process = subprocess.Popen([*prefix, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.pid = self.process.pid
        self.ask()
        for _ in range(3):  # unshare and sh are before it
            child = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
            if prefix and child:
                self.pid = int(child[0])

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        words = self.process.stdout.readline().split()
        self.said = dict(zip(words[::2], words[1::2]))
        return self.said

    def cpu_s(self):
        return time.clock_gettime((~self.pid << 3) | 2)  # its own clock, as clock_getcpuclockid(3) makes it

    def end(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def ps(osprey, *options, prefix=()):
    run = subprocess.run([*prefix, osprey, "ps", "--json", *options], capture_output=True, text=True, timeout=120,
                         check=False)
    if run.returncode:
        raise RuntimeError(f"osprey ps: {run.returncode}: {run.stderr}")
    answer = json.loads(run.stdout)
    return answer, {row["pid"]: row for row in answer["processes"]}


def resident_bytes(pid):
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def difference(program, row):
    """What the row says otherwise than the program and /proc, or nothing."""
    said, go = program.ask(), row.get("go", {})
    wrong = []
    for ours, theirs in (("version", "version"), ("goroutines", "goroutines"), ("heap_inuse_bytes", "heap_inuse"),
                         ("stack_inuse_bytes", "stack_inuse"), ("gc_count", "gcs")):
        if str(go.get(ours)) != said[theirs]:
            wrong.append(f"{ours} {go.get(ours)}, not {said[theirs]}")
    if int(go.get("gc_cpu_fraction", -1) * 1e6) != int(said["gc_cpu_ppm"]):
        wrong.append(f"GC CPU {go.get('gc_cpu_fraction')}, not {said['gc_cpu_ppm']} ppm")
    if row["threads"] != threads(program.pid):
        wrong.append(f"{row['threads']} threads, not {threads(program.pid)}")
    if abs(row["rss_bytes"] - resident_bytes(program.pid)) > 1 << 20:
        wrong.append(f"{row['rss_bytes']} bytes resident, not {resident_bytes(program.pid)}")
    return "; ".join(wrong)


def agrees(osprey, words, prefix=(), check=lambda row: ""):
    program = Resident(words, prefix)
    try:
        wrong = "never looked"
        for _ in range(TRIES):
            program.ask()
            row = ps(osprey, "-d", "0")[1].get(program.pid)
            wrong = difference(program, row) or check(row) if row else f"pid {program.pid} is not listed"
            if not wrong:
                break
        return wrong
    finally:
        program.end()


def cpu_is_that_of_its_clock(osprey, folder):
    busy = Resident([folder / "resident", "-burn"])
    idle = Resident([folder / "resident"])
    try:
        before = busy.cpu_s(), idle.cpu_s()
        answer, row = ps(osprey, "-d", "1")
        after = busy.cpu_s(), idle.cpu_s()
        for name, program, least, most in (("busy", busy, 0.001, after[0] - before[0]),
                                           ("idle", idle, 0, after[1] - before[1])):
            used = row[program.pid]["cpu_cores"] * answer["interval_s"]
            if not least <= used <= most * 1.02 + 0.005:
                return f"{name}: {used:.4f} s of CPU, by its clock {most:.4f} s while osprey ran"
        pids = [r["pid"] for r in answer["processes"]]
        return "" if pids.index(busy.pid) < pids.index(idle.pid) else "the busy one stands after the idle one"
    finally:
        busy.end()
        idle.end()


def a_deleted_program_of_another_mount_namespace(osprey, folder):
    """It lies in a tmpfs that only its own namespace has, and is deleted."""
    script = 'mount -t tmpfs x /mnt && cp "$0" /mnt/resident && exec 3</mnt/resident && rm /mnt/resident && exec /proc/self/fd/3'
    return agrees(osprey, [folder / "resident-stripped"], ("unshare", "--mount", "sh", "-c", script))


def go_in_a_c_program(osprey, folder):
    library = folder / "libresident-host.so"
    host = folder / "resident-host"
    for words in (["go", "build", "-buildvcs=false", "-buildmode=c-shared", "-ldflags=-s -w", "-o", library, "./library"],
                  ["cc", "-O2", "-o", host, HOST / "host" / "host.c", library, "-lpthread"]):
        if subprocess.run(words, cwd=HOST, capture_output=True, check=False, env=dict(os.environ, CGO_ENABLED="1")).returncode:
            return "SKIP c-shared Go does not build here"
    process = subprocess.Popen([host], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        row = ps(osprey, "-d", "0")[1].get(process.pid)
        if not row or "go" not in row:
            return "it is not known as Go"
        go = row["go"]
        return "" if go["version"].startswith("go1.") and go.get("goroutines", 0) >= 1 and go.get("heap_inuse_bytes", 0) > 0 \
            else f"{row}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def goroutines_gained_are_counted(osprey, folder):
    program = Resident([folder / "resident", "-grow", "20"])
    try:
        row = ps(osprey, "-d", "10")[1][program.pid]
        gained = row["go"].get("goroutines_more", 0)
        return "" if 20 <= gained <= 1000 else f"{gained} more in 10 s; 20 a second are started"
    finally:
        program.end()


def who_may_not_look_is_told_the_cure(osprey, folder):
    drop = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if os.geteuid() != 0 or subprocess.run([*drop, "true"], capture_output=True, check=False).returncode:
        return "SKIP only root can be another user"
    with tempfile.TemporaryDirectory() as place:
        copy = pathlib.Path(place) / "osprey"
        shutil.copy(osprey, copy)
        os.chmod(place, 0o755)
        program = Resident([folder / "resident"])
        try:
            answer, row = ps(copy, "-d", "0", prefix=drop)
            if program.pid in row:
                return "a process that cannot be read is called Go"
            if answer["unreadable"] < 1 or "sudo" not in answer["unreadable_why"]:
                return f"{answer}"
            return "" if program.pid in ps(copy, "-d", "0", "-a", prefix=drop)[1] else "-a does not list it"
        finally:
            program.end()


def without_rights(osprey):
    if not shutil.which("go"):
        return "there is no go"
    with subprocess.Popen(["sleep", "60"]) as probe:
        answer, _ = ps(osprey, "-d", "0", "-a")
        probe.kill()
    return "" if os.geteuid() == 0 else f"not root ({answer.get('unreadable_why', 'all readable')})"


def releases(folder):
    for release in RELEASES:
        program = folder / f"resident-{release}"
        run = subprocess.run(["go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "./resident"], cwd=TARGETS,
                             env=dict(os.environ, GOTOOLCHAIN=release, CGO_ENABLED="0", GOFLAGS="-mod=mod"),
                             capture_output=True, check=False)
        yield release, program if run.returncode == 0 else None


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    reason = without_rights(osprey)
    if reason:
        print(f"1..0 # SKIP {reason}")
        return
    built = subprocess.run([TARGETS / "build.sh", folder], capture_output=True, text=True, check=False)
    if built.returncode:
        sys.exit(f"Bail out! the targets cannot be built: {built.stderr[-500:]}")
    much = ["-goroutines", "1000", "-threads", "5", "-heap", "20", "-gcs", "3"]
    cases = [(f"{name} {' '.join(more)}", lambda n=name, m=more: agrees(osprey, [folder / n, *m]))
             for name in ("resident", "resident-stripped", "resident-pie", "resident-pie-stripped") for more in ([], much)]
    for release, program in releases(folder):
        cases.append((f"{release} stripped", (lambda p=program: agrees(osprey, [p, *much])) if program else
                      lambda r=release: f"SKIP {r} cannot be had here"))
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode == 0:
        cases += [("a program in a pid namespace",
                   lambda: agrees(osprey, [folder / "resident", *much], ("unshare", "--pid", "--fork", "--kill-child"),
                                  lambda row: "" if row.get("container") else "its namespace is not told")),
                  ("a deleted program of another mount namespace",
                   lambda: a_deleted_program_of_another_mount_namespace(osprey, folder))]
    cases += [("CPU is that of its clock", lambda: cpu_is_that_of_its_clock(osprey, folder)),
              ("goroutines gained are counted", lambda: goroutines_gained_are_counted(osprey, folder)),
              ("stripped c-shared Go in a C program", lambda: go_in_a_c_program(osprey, folder)),
              ("who may not look is told the cure", lambda: who_may_not_look_is_told_the_cure(osprey, folder))]
    tap = Tap()
    for name, test in cases:
        wrong = test()
        if wrong.startswith("SKIP"):
            tap.skip(name, wrong.removeprefix("SKIP "))
        else:
            tap.case(name, not wrong, wrong)
    sys.exit(tap.end())


if __name__ == "__main__":
    main()
