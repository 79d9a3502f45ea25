#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey pprof on large profiles, against the floor (unpack, read each varint once) and go tool pprof.

    bench.py [-samples=N,...] [-only=REPORT,...] [-peer=N] OSPREY GENERATE FLOOR FOLDER IN.pb.gz...

One table for each number of samples (100000,1000000) without labels and with. Runs of floor and osprey alternate; the
least CPU time (user + system) of each counts, because others may use the machine. Peak memory is the kernel's own
(ru_maxrss), which starts with what this program has when it forks: it never holds much. go tool pprof runs once, right
after, on profiles of up to -peer samples (100000: it needs minutes for a million), at most PPROF_TIMEOUT seconds (240)
a report; larger output, which is gigabytes, goes to /dev/null. A * stands behind what misses its bar; then the status is 1.
"""
import filecmp
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple

RUNS = 3
MERGED = 16
ROOM_MB = 60  # above the unpacked size

# arguments; most times the floor, without and with labels, and least times less CPU than the peer, or None
Report = namedtuple("Report", "words floor_bar peer_bar")
REPORTS = {
    "top": Report(["-top"], (2, 3), None),
    "tree": Report(["-tree"], (2, 3), None),
    "peek": Report(["-peek=newVar"], (2, 3), None),
    "focus": Report(["-top", "-focus=newVar"], (2, 3), None),
    "diff": Report(["-top", "-diff_base={other}"], (2, 3), None),
    "traces": Report(["-traces"], (4, 4), None),
    "dot": Report(["-dot"], (3, 3), None),
    "proto": Report(["-proto"], None, 8),
    "merge": Report(["-top"], None, 30),
}
Use = namedtuple("Use", "cpu wall mb finished")


def run(command, out, timeout=None):
    """What a command uses that writes to the file out."""
    start = time.monotonic()
    with open(out, "wb") as f:
        child = subprocess.Popen(command, stdout=f, stderr=subprocess.DEVNULL, env=dict(os.environ, TZ="UTC"),
                                 start_new_session=True)
    finished = True
    while True:
        pid, status, use = os.wait4(child.pid, os.WNOHANG if timeout else 0)
        if pid:
            break
        if time.monotonic() - start > timeout:
            finished = False
            os.killpg(child.pid, signal.SIGKILL)
            timeout = 1e9
        time.sleep(0.05)
    child.returncode = 0
    if finished and status:
        sys.exit(f"bench.py: {' '.join(command)}: status {status}")
    return Use(use.ru_utime + use.ru_stime, time.monotonic() - start, use.ru_maxrss / 1024 * 1.048576, finished)


def peer_tool():
    """The analyser itself, not the go command in front of it, so that its memory is what is measured."""
    if not shutil.which("go"):
        return None
    tool = subprocess.run(["go", "tool", "-n", "pprof"], capture_output=True, text=True).stdout.strip()
    return [tool] if os.path.exists(tool) else ["go", "tool", "pprof"]


def unpacked_mb(path):
    size = 0
    with gzip.open(path) as f:
        while block := f.read(1 << 20):
            size += len(block)
    return size / 1e6


class Bench:
    def __init__(self, words):
        options = dict(w.lstrip("-").split("=", 1) for w in words if w.startswith("-"))
        self.osprey, self.generate, self.floor_tool, self.folder, *self.seeds = [w for w in words if w[0] != "-"]
        self.samples = [int(n) for n in options.get("samples", "100000,1000000").split(",")]
        self.only = options.get("only", ",".join([*REPORTS, "second"])).split(",")
        self.peer_most = int(options.get("peer", "100000"))
        self.timeout = float(os.environ.get("PPROF_TIMEOUT", "240"))
        self.peer = peer_tool()
        self.missed = False
        self.results = []
        os.makedirs(self.folder, exist_ok=True)

    def make(self, samples, plain, seed):
        """The path of a generated profile; one that is there is taken if it is newer than the generator."""
        path = os.path.join(self.folder, f"{'plain' if plain else 'labels'}.{samples}.{seed}.pb.gz")
        if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(self.generate):
            words = [*(["-plain"] if plain else []), f"-seed={seed}", path + ".new", str(samples), *self.seeds]
            subprocess.run([self.generate, *words], check=True, capture_output=True)
            os.rename(path + ".new", path)
        return path

    def measure(self, command, files, out):
        """The least use of the floor, all files of it, and of a command."""
        floors, ours = [], []
        for _ in range(RUNS):
            each = [run([self.floor_tool, f], os.devnull) for f in files]
            floors.append(Use(sum(u.cpu for u in each), sum(u.wall for u in each), max(u.mb for u in each), True))
            ours.append(run(command, out))
        least = [Use(min(u.cpu for u in uses), min(u.wall for u in uses), max(u.mb for u in uses), True)
                 for uses in (floors, ours)]
        return least[0], least[1]

    def mark(self, value, bar, less=False):
        if bar is None:
            return " "
        bad = value < bar if less else value > bar
        self.missed |= bad
        return "*" if bad else " "

    def report(self, name, files, plain, room):
        r = REPORTS[name]
        other = files[-1]
        of = files if name == "merge" else files[:1]
        words = ["-symbolize=none", *(w.format(other=other) for w in r.words), *of]
        read = files if name in ("merge", "diff") else of
        compared = self.peer and self.n <= self.peer_most
        ours_out, peer_out = (os.path.join(self.folder, f"{name}.{who}") if compared else os.devnull
                              for who in ("osprey", "peer"))
        low, ours = self.measure([self.osprey, "pprof", *words], read, ours_out)
        bar = r.floor_bar and r.floor_bar[0 if plain else 1]
        ratio, wall_ratio = ours.cpu / low.cpu, ours.wall / low.wall
        row = {"report": name, "floor_cpu_s": low.cpu, "cpu_s": ours.cpu, "wall_s": ours.wall, "peak_mb": ours.mb,
               "ratio": ratio, "wall_ratio": wall_ratio, "bar": bar, "room_mb": room}
        line = (f"{name:8}{ours.cpu:8.3f}{ours.wall:8.3f}{ours.mb:8.0f}{self.mark(ours.mb, room)}{room or 0:7.0f}"
                f"{ratio:8.2f}{self.mark(ratio, bar)}{wall_ratio:7.2f}{bar or '-':>5}")
        if compared:
            peer = run([*self.peer, *words], peer_out, self.timeout)
            less = peer.cpu / ours.cpu
            same = "" if not peer.finished else "-" if name == "proto" else self.same(ours_out, peer_out)
            row |= {"peer_cpu_s": peer.cpu, "peer_wall_s": peer.wall, "peer_peak_mb": peer.mb, "less": less,
                    "peer_finished": peer.finished, "same": same}
            line += (f"{peer.cpu:10.2f}{peer.wall:8.2f}{peer.mb:8.0f}{less:7.0f}{self.mark(less, r.peer_bar, True)}"
                     f"{r.peer_bar or '-':>4}  {same if peer.finished else 'stopped: it had not ended'}")
        print(line, flush=True)
        return row

    def same(self, a, b):
        if filecmp.cmp(a, b, shallow=False):
            return "same"
        self.missed = True
        return "DIFFERENT*"

    def second_query(self, profile):
        """Seconds that answers in one shell take, from the line's end to the next prompt."""
        shell = subprocess.Popen([self.osprey, "pprof", "-symbolize=none", profile], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        def prompt():
            text = b""
            while not text.endswith(b"(pprof) "):
                more = os.read(shell.stdout.fileno(), 1 << 16)
                if not more:
                    sys.exit("bench.py: the shell ended")
                text += more

        prompt()
        took = {}
        for line in ("top", "top 20", "tree", "peek newVar", "top -focus=newVar", "top newVar"):
            start = time.monotonic()
            shell.stdin.write(line.encode() + b"\n")
            shell.stdin.flush()
            prompt()
            took[line] = time.monotonic() - start
        shell.communicate(b"quit\n")
        return took

    def table(self, samples, plain):
        self.n = samples
        files = [self.make(samples, plain, 0), self.make(samples, plain, 1)]
        mb = [unpacked_mb(f) for f in files]
        low = run([self.floor_tool, files[0]], os.devnull)
        print(f"\n{samples} samples {'without' if plain else 'with'} labels, {mb[0]:.1f} MB; "
              f"the floor: {low.cpu:.3f} s CPU, {low.wall:.3f} s")
        print(f"{'':8}{'CPU s':>8}{'wall s':>8}{'peak MB':>8}{'bar':>8}{'x floor':>8}{'wall':>8}{'bar':>5}"
              f"{'peer CPU':>10}{'wall':>8}{'MB':>8}{'x less':>7}{'bar':>5}")
        for name in self.only:
            if name == "merge" and samples <= self.peer_most:
                self.add(self.report(name, [self.make(samples, plain, i) for i in range(MERGED)], plain, None), plain)
            elif name in REPORTS and name != "merge":
                of = files if name == "diff" else files[:1]
                room = sum(mb[:len(of)]) + ROOM_MB if samples >= 1000000 else None
                self.add(self.report(name, of, plain, room), plain)
        if "second" in self.only:
            took = self.second_query(files[0])
            self.add({"report": "second", "took_s": took}, plain)
            bar = 0.05 if samples == 1000000 else None
            print("in one shell, ms (bar of the second: 50):",
                  ", ".join(f"{line} {t * 1000:.0f}{self.mark(t, bar if i else None).strip()}"
                            for i, (line, t) in enumerate(took.items())), flush=True)

    def add(self, row, plain):
        self.results.append({"samples": self.n, "labels": not plain} | row)

    def main(self):
        for n in self.samples:
            for plain in (True, False):
                self.table(n, plain)
        print(json.dumps([{k: round(v, 3) if isinstance(v, float) else v for k, v in r.items()} for r in self.results]))
        return 1 if self.missed else 0


sys.exit(Bench(sys.argv[1:]).main())
