#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks into a loaded server, again and again. Usage: test_attaches.py OSPREY FOLDER [--bench ATTACHES]

FOLDER is where tests/targets/build.sh puts the programs. tests/targets/loaded says what must be true at any moment: how many
goroutines of each kind there are, and which functions may stand in their stacks. No look may stop the server. Prints TAP;
with --bench it looks that often in all, and prints how long the server's beat paused meanwhile, and how long without."""
import collections
import json
import os
import pathlib
import subprocess
import sys
import threading
import time

from ready import build_targets, need_go
from tap import Tap

KINDS = ["loaded", "loaded-cgo", "loaded-stripped", "loaded-pie-stripped"]
ROUNDS = 40  # of each kind
MANY = {"main.pingBegin": 50, "main.pongBegin": 50, "main.lockBegin": 20, "main.sleepBegin": 300, "main.serveBegin": 1,
        "main.beatBegin": 1}
# What the compiler makes of `go f(x)`: all that is known of one that runs.
WRAPPED = {"main.main.gowrap1": "main.pingBegin", "main.main.gowrap2": "main.pongBegin",
           "main.main.gowrap3": "main.sleepBegin"}
# Every so many of the looks is by this command.
OTHERS = {7: ["goroutines", "-count"], 11: ["threads", "--json", "-d", "0.01"], 13: ["sched", "-n", "1", "--trace"],
          17: ["gc", "--memstats"], 19: ["timers", "--json"]}


class Server:
    def __init__(self, program):
        self.child = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.child.stdout.readline()
        self.pid = self.child.pid
        self.stopped = collections.Counter()
        self.watching = True
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self):
        """Is it ever stopped, or traced?"""
        while self.watching:
            try:
                with open(f"/proc/{self.pid}/status") as f:
                    status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
            except OSError:
                return
            if status["State"][0] in "Tt":
                self.stopped[status["State"]] += 1
            if status["TracerPid"] != "0":
                self.stopped["traced"] += 1
            time.sleep(0.001)

    def ask(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())

    def stop(self):
        self.watching = False
        self.watcher.join()
        self.child.kill()
        self.child.communicate()


def own(stack):
    """The program's functions of a stack, without such wrappers."""
    return [f["function"] for f in stack if f["function"].startswith("main.") and ".gowrap" not in f["function"]]


def wrong_rows(said):
    bad = []
    counts = collections.Counter()
    for group in said["groups"]:
        began = group.get("began", {}).get("function", "")
        began = WRAPPED.get(began, began)
        counts[began] += group["count"]
        if began.startswith("main."):
            bad += [f"{f} in a stack of {began}" for f in own(group.get("stack", []))
                    if not f.startswith(began.removesuffix("Begin"))]
    bad += [f"{counts[name]} goroutines of {name}, not {n}" for name, n in MANY.items() if counts[name] != n]
    strange = [name for name in counts if name not in MANY and name not in ("main.handleBegin", "runtime.main")
               and not name.startswith("main.serveBegin.gowrap")]  # those that have not run yet
    bad += [f"{counts[name]} goroutines of {name}" for name in strange]
    if sum(counts.values()) != said["shown"]:
        bad.append(f"{sum(counts.values())} in groups, {said['shown']} shown")
    return bad


def look(osprey, pid, i, sums):
    """One look; what is wrong with it."""
    words = next((w for n, w in OTHERS.items() if i % n == n - 1), ["goroutines", "--json"])
    done = subprocess.run([osprey, words[0], str(pid), *words[1:]], capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout:
        return [f"{' '.join(words)}: exit status {done.returncode}: {done.stderr.strip()[:300]}"]
    if "--json" not in words:
        return []
    said = json.loads(done.stdout)
    if words[0] == "threads":
        roles = collections.Counter(t["role"] for t in said["threads"])
        return [] if roles["sysmon"] == 1 else [f"roles: {dict(roles)}"]
    if words[0] != "goroutines":
        return []
    for key in ("goroutines", "torn", "cut", "unread"):
        sums[key] += said[key]
    return wrong_rows(said)


def attach(osprey, server, rounds):
    """The looks and what is wrong with them."""
    bad, sums = [], collections.Counter()
    for i in range(rounds):
        bad += look(osprey, server.pid, i, sums)
        if server.child.poll() is not None:
            return bad + ["the server is dead"], sums
    print(f"# {rounds} looks: {dict(sums)}")
    if sums["torn"] > 0.01 * sums["goroutines"]:
        bad.append(f"{sums['torn']} of {sums['goroutines']} torn")
    if sums["cut"] > 0.001 * sums["goroutines"] + 1:
        bad.append(f"{sums['cut']} of {sums['goroutines']} stacks cut")
    return bad + [f"{what}: {n} times" for what, n in server.stopped.items()], sums


def test(osprey, folder):
    tap = Tap()
    for name in KINDS:
        server = Server(folder / name)
        try:
            bad, _ = attach(osprey, server, ROUNDS)
        finally:
            server.stop()
        tap.same(name, bad[:8])
    return tap.end()


def bench(osprey, folder, attaches):
    wrong = 0
    print("program                looks  wrong  looks/s    longest pause, ms    late ms a second     (of the server's beat:")
    print("                                            without     beside     without  beside      1 ms, without and beside)")
    for name in KINDS:
        server = Server(folder / name)
        try:
            rounds = attaches // len(KINDS)
            start = time.monotonic()
            server.ask()
            bad, _ = attach(osprey, server, rounds)
            took = time.monotonic() - start
            beside = server.ask()
            time.sleep(took)
            without = server.ask()
        finally:
            server.stop()
        wrong += len(bad)
        print(f"{name:20} {rounds:7} {len(bad):6} {rounds / took:8.0f} {without['worst_ns'] / 1e6:10.1f} "
              f"{beside['worst_ns'] / 1e6:10.1f} {without['late_ns'] / 1e6 / took:11.1f} {beside['late_ns'] / 1e6 / took:7.1f}")
        for line in bad[:5]:
            print("   ", line)
    return wrong > 0


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    need_go()
    build_targets(folder, *KINDS)
    if sys.argv[3:4] == ["--bench"]:
        return bench(osprey, folder, int(sys.argv[4]))
    return test(osprey, folder)


if __name__ == "__main__":
    sys.exit(main())
