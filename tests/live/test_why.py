#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey why` on live programs with known truths: each sick one gives its verdict first with the right culprit, each
healthy twin gives none. Usage: test_why.py OSPREY FOLDER [NAME...]

FOLDER is where tests/targets/build.sh puts the programs. With names only those cases run. Needs Go, and rights to
sample with BPF; else it is skipped, and says why. Prints TAP."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

from tap import Tap

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = "2"
MORE = os.environ.get("OSPREY_WHY_OPTIONS", "").split()  # for a person who asks: OSPREY_WHY_OPTIONS=--no-bpf

# name, command, verdict, kind, what the culprit's function must be, what must stand in the chain
SICK = [
    ("cgo-c-spin", ["cgo-c-spin"], "cgo-cpu-native", None, "crunch_block",
     ["main.(*Session).loop", "main.(*Session).Transcode", "crunch", "crunch_plane", "crunch_block"]),
    ("cgo-c-spin 1 deep", ["cgo-c-spin", "-depth", "1"], "cgo-cpu-native", None, "crunch",
     ["main.(*Session).Transcode", "crunch"]),
    ("cgo-c-spin 5 deep, frame pointers", ["cgo-c-spin-fp", "-depth", "5"], "cgo-cpu-native", None, "crunch_block",
     ["main.(*Session).Transcode", "crunch", "crunch_stream", "crunch_frame", "crunch_plane", "crunch_block"]),
    ("cgo-c-spin short calls", ["cgo-c-spin", "-iter", "3000000"], "cgo-cpu-native", None, "crunch_block", []),
    ("cgo-c-spin stripped", ["cgo-c-spin-stripped"], "cgo-cpu-native", None, r"cgo-c-spin-stripped\+0x.*",
     ["main.(*Session).Transcode"]),
    ("cgo-native-thread", ["cgo-native-thread"], "native-thread-cpu", None, "pulse_mix", ["pulse_worker", "pulse_mix"]),
    ("cgo-native-thread three named", ["cgo-native-thread", "-threads", "3", "-named"], "native-thread-cpu", None,
     "pulse_mix", ["pulse_worker"]),
    ("cgo-native-thread stripped", ["cgo-native-thread", "-lib", "libpulse-stripped.so"], "native-thread-cpu", None,
     r"libpulse-stripped.so\+0x.*", []),
    ("cgo-call-storm", ["cgo-call-storm"], "cgo-call-overhead", None, "main.checksum", ["main.main", "main.checksum"]),
    ("clock-storm", ["clock-storm"], "clock-storm", None, "main.waitUntil", ["main.main", "main.waitUntil"]),
    ("clock-storm stripped", ["clock-storm-stripped"], "clock-storm", None, "main.waitUntil", ["main.main"]),
    ("clock-storm in C", ["c-clock-storm"], "clock-storm", None, "await_deadline", ["main", "await_deadline"]),
    ("spin-select", ["spin-select"], "busy-spin", "select", r"main.\(\*hub\).dispatch", ["main.(*hub).dispatch"]),
    ("spin-select of three", ["spin-select", "-channels", "3"], "busy-spin", "select", r"main.\(\*hub\).dispatchMany", []),
    ("spin-gosched", ["spin-gosched"], "busy-spin", "Gosched", "main.awaitReady", ["main.awaitReady"]),
    ("spin-gosched two", ["spin-gosched", "-waiters", "2"], "busy-spin", "Gosched", "main.awaitReady", []),
    ("c-spin", ["spin-cflag"], "busy-spin", "C flag", "await_flag", ["waiter", "await_flag"]),
    ("c-spin unoptimised", ["spin-cflag-O0"], "busy-spin", "C flag", "await_flag", ["waiter", "await_flag"]),
    ("c-spin stripped", ["spin-cflag-stripped"], "busy-spin", "C flag", r"spin-cflag-stripped\+0x.*", []),
]

# The same on a host where two other processes of equal priority want the CPUs.
CROWDED = ["cgo-c-spin", "cgo-native-thread", "cgo-call-storm", "clock-storm", "spin-select", "spin-gosched", "c-spin"]
NAMESPACED = ["cgo-c-spin", "cgo-native-thread"]

HEALTHY = [[twin] for twin in ["c-compute", "c-compute-O0", "c-idle"]] + \
    [["cgo-twins", twin] for twin in ["cgo-light", "threads-bounded"]] + \
    [["twins", twin] for twin in [
        "idle-server", "loaded-server", "clock-light", "compute", "timers-few", "mutex-light",
        "goroutine-pool-drained", "goroutine-burst", "parked-workers", "gc-normal", "cache-bounded",
        "big-static-heap"]]
CROWDED_HEALTHY = [["twins", "compute"], ["c-compute"], ["cgo-twins", "cgo-light"], ["twins", "loaded-server"]]


class Target:
    """A program that runs while its block does. It prints `ready` when it has begun."""

    def __init__(self, folder, words, prefix=()):
        self.words, self.folder, self.prefix = words, folder, list(prefix)

    def __enter__(self):
        words = [str(self.folder / self.words[0])] + \
            [str(self.folder / w) if w.endswith(".so") else w for w in self.words[1:]]
        self.process = subprocess.Popen(self.prefix + words, stdout=subprocess.PIPE, start_new_session=True, text=True)
        self.process.stdout.readline()
        self.pid = self.process.pid
        if self.prefix:  # its child, as we number it
            with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as f:
                self.pid = int(f.read().split()[0])
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGKILL)
        if self.pid != self.process.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process.stdout.close()


class Hogs:
    def __enter__(self):
        self.all = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count())]

    def __exit__(self, *_):
        for hog in self.all:
            hog.kill()
            hog.wait()


def why(osprey, pid):
    run = subprocess.run([osprey, "why", str(pid), "--json", "-d", SECONDS, *MORE], capture_output=True, text=True,
                         timeout=120, check=False)
    if run.returncode not in (0, 3):
        return run.returncode, None, run.stderr.strip()
    answer = json.loads(run.stdout)
    short = ", ".join(f"{f['verdict']} {f['confidence']:.2f} {f['culprit']['func']}" for f in answer["findings"])
    return run.returncode, answer, short or "nothing"


def well_formed(answer):
    """The fields of a finding, all of them and no other."""
    if set(answer) != {"schema", "process", "window_ns", "findings"}:
        return f"fields {sorted(answer)}"
    for f in answer["findings"]:
        if set(f) - {"kind"} != {"verdict", "confidence", "summary", "evidence", "culprit", "stack", "next"}:
            return f"a finding's fields {sorted(f)}"
        if set(f["culprit"]) != {"func", "file", "line", "module"}:
            return f"a culprit's fields {sorted(f['culprit'])}"
        if not 2 <= len(f["evidence"]) <= 6:
            return f"{len(f['evidence'])} lines of evidence"
        for e in f["evidence"]:
            if set(e) != {"what", "value", "unit", "source"} or not all([e["what"], e["unit"], e["source"]]):
                return f"evidence {e}"
    return ""


def in_order(want, stack):
    rest = iter(stack)
    return all(any(w == s for s in rest) for w in want)


def sick(osprey, folder, case, prefix=()):
    with Target(folder, case[1], prefix) as t:
        return judge_sick(*why(osprey, t.pid), case)


def judge_sick(status, answer, short, case):
    _, _, verdict, kind, func, chain = case
    if not answer:
        return f"status {status}: {short}"
    if not answer["findings"] or status != 3:
        return f"status {status}, found {short}"
    first = answer["findings"][0]
    if (first["verdict"], first.get("kind")) != (verdict, kind):
        return f"first is {first['verdict']} ({first.get('kind')}): {short}"
    if not re.fullmatch(func, first["culprit"]["func"]):
        return f"culprit {first['culprit']}"
    if not in_order(chain, first["stack"]):
        return f"chain {first['stack']}"
    return well_formed(answer)


def healthy(osprey, folder, words):
    with Target(folder, words) as t:
        return judge_healthy(*why(osprey, t.pid))


def judge_healthy(status, answer, short):
    if status != 0 or any(f["confidence"] >= 0.6 for f in answer["findings"]):
        return f"status {status}, found {short}"
    return well_formed(answer)


def unable(osprey):
    """Why this cannot run here, or nothing."""
    if not shutil.which("go"):
        return "there is no go"
    probe = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        run = subprocess.run([osprey, "why", str(probe.pid), "--json", "-d", "0.5"], capture_output=True, text=True,
                             timeout=120, check=False)
    finally:
        probe.kill()
        probe.wait()
    return f"this user cannot sample here: {run.stderr.strip()}" if run.returncode not in (0, 3) else ""


def main():
    osprey, folder, only = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    reason = unable(osprey)
    if reason:
        print(f"1..0 # SKIP {reason}")
        return
    built = subprocess.run([HERE.parent / "targets" / "build.sh", folder], capture_output=True, text=True, check=False)
    if built.returncode:
        sys.exit(f"Bail out! the targets cannot be built: {built.stderr[-500:]}")
    by_name = {case[0]: case for case in SICK}
    cases = [(f"{c[0]} is found", lambda c=c: sick(osprey, folder, c)) for c in SICK]
    cases += [(f"{' '.join(w)} is healthy", lambda w=w: healthy(osprey, folder, w)) for w in HEALTHY]
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode == 0:
        cases += [(f"{n} is found in a pid namespace",
                   lambda n=n: sick(osprey, folder, by_name[n], ("unshare", "--pid", "--fork", "--kill-child")))
                  for n in NAMESPACED]

    def crowded(test, *args):
        with Hogs():
            return test(osprey, folder, *args)
    cases += [(f"{n} is found on a crowded host", lambda n=n: crowded(sick, by_name[n])) for n in CROWDED]
    cases += [(f"{' '.join(w)} is healthy on a crowded host", lambda w=w: crowded(healthy, w)) for w in CROWDED_HEALTHY]
    cases = [c for c in cases if not only or any(o in c[0] for o in only)]
    tap = Tap()
    for name, test in cases:
        wrong = test()
        tap.case(name, not wrong, wrong)
    sys.exit(tap.end())


if __name__ == "__main__":
    main()
