#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey timers` beside a program whose timers are known: tests/targets/timers.

Usage: test_timers.py OSPREY FOLDER [--releases RELEASE...]. FOLDER is where tests/targets/build.sh puts the programs.
OSPREY_GO_RELEASES names other toolchains; what cannot be had is skipped. Needs Go; else it is skipped, and says why. Prints
TAP."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from ready import TARGETS, build_targets
from tap import Tap

TRIES = 5


def look(osprey, pid):
    run = subprocess.run([osprey, "timers", "--json", str(pid)], capture_output=True, text=True, timeout=120, check=False)
    if run.returncode:
        raise RuntimeError(f"osprey timers: {run.returncode}: {run.stderr}")
    return json.loads(run.stdout)


def difference(answer, listens, lazy):
    """What it says otherwise than the program's source does. lazy: tickers that nobody waits for are in no list."""
    groups = {}
    for g in answer["groups"]:
        groups.setdefault((g["kind"], g["function"].rsplit(".", 1)[-1], g["period_s"]), []).append(g)
    want = {("ticker", "waiter", 1.5): (5, 0, 1.5),
            ("timer", "waiter", 0): (2, 0, 1800),
            ("func", "onHour", 0): (300, 0, 3600),
            ("sleep", "sleeper", 0): (4, 0, 3600),
            ("deadline", "netpollReadDeadline", 0): (1, 0, 10800)}
    if not lazy:
        want["ticker", "sendTime", 1.7] = (7, 0, 1.7)
    for key, (count, soonest, latest) in want.items():
        have = groups.pop(key, [])
        if len(have) != 1 or have[0]["count"] != count:
            yield f"{key}: {have}, not {count}"
            continue
        # a timer may be late on a busy machine
        if not soonest - 30 <= have[0]["first_due_s"] <= have[0]["last_due_s"] <= latest:
            yield f"{key}: due in {have[0]['first_due_s']} to {have[0]['last_due_s']} s, not at most {latest}"
        if have[0]["period_s"] == 0 and have[0]["first_due_s"] < latest - 120:
            yield f"{key}: due in {have[0]['first_due_s']} s, not {latest}"
        if key[1] in ("waiter", "sleeper") and not have[0].get("goroutine"):
            yield f"{key}: of which goroutine?"
        if key[0] == "deadline" and listens not in have[0].get("fd_is", ""):
            yield f"{key}: {have[0].get('fd_is')} is not of {listens}"
        if lazy and key[0] in ("ticker", "timer") and have[0].get("waited_for") != count:
            yield f"{key}: {have[0].get('waited_for')} waited for"
    stopped = groups.pop(("func", "onStop", 0), [{"count": 0, "stopped": 0}])[0]
    if stopped["count"] or stopped["stopped"] > 6:
        yield f"stopped ones: {stopped}"
    yield from (f"{key} is there" for key in groups if key[0] in ("ticker", "timer", "func", "deadline", "sleep"))
    if lazy != answer["without_unwaited_channels"]:
        yield f"says {answer['without_unwaited_channels']} of those that nobody waits for"
    for what in ("count", "stopped"):
        if sum(p[what] for p in answer["ps"]) != answer[what] or sum(g[what] for g in answer["groups"]) != answer[what]:
            yield f"{what}: {answer[what]}, which is not the sum of its parts"


def agrees(osprey, path, lazy, **more):
    run = subprocess.Popen([str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                           env=dict(os.environ, **more))
    try:
        pid, listens = run.stdout.readline().split()
        wrong = ["never looked"]
        for _ in range(TRIES):  # tickers go off meanwhile
            answer = look(osprey, int(pid))
            wrong = list(difference(answer, listens, lazy)) + [f"{answer['torn']} torn"] * (answer["torn"] > 0)
            if not wrong:
                break
        return wrong
    finally:
        run.kill()
        run.wait()
        run.stdin.close()
        run.stdout.close()


def both_ways(t, osprey, path, name, minor):
    """Since Go 1.23 a setting brings the old way back; go.mod of these programs is old enough for it, up to Go 1.26."""
    t.same(f"{name}", agrees(osprey, path, lazy=minor >= 27))
    if 23 <= minor < 27:
        t.same(f"{name}, asynctimerchan=0", agrees(osprey, path, lazy=True, GODEBUG="asynctimerchan=0"))


def other_release(t, osprey, release):
    with tempfile.TemporaryDirectory() as folder:
        for name, words in (("timers", ()), ("timers-stripped", ("-ldflags=-s -w",))):
            out = pathlib.Path(folder) / name
            env = dict(os.environ, GOTOOLCHAIN=release, CGO_ENABLED="0", GOFLAGS="-mod=mod")
            build = subprocess.run(["go", "build", *words, "-o", out, "./timers"], cwd=TARGETS, env=env,
                                   capture_output=True, text=True, check=False)
            if build.returncode:
                t.skip(f"{release}: {name}", "the release cannot be had or does not build here")
            else:
                both_ways(t, osprey, out, f"{release}: {name}", int(release.split(".")[1]))


def no_go(t, osprey, folder):
    run = subprocess.Popen([folder / "c-idle"], stdout=subprocess.DEVNULL)
    try:
        said = subprocess.run([osprey, "timers", str(run.pid)], capture_output=True, text=True, timeout=120, check=False)
        t.case("a program of C is said to have no Go", said.returncode == 1 and "runs no Go" in said.stderr, said.stderr)
    finally:
        run.kill()
        run.wait()


def main(osprey, folder, releases):
    build_targets(folder, "timers", "timers-pie-stripped", "c-idle")
    t = Tap()
    if releases:
        for release in os.environ.get("OSPREY_GO_RELEASES", " ".join(releases)).split():
            other_release(t, osprey, release)
        return t.end()
    version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout
    minor = int(version.split(".")[1])
    both_ways(t, osprey, folder / "timers", "timers", minor)
    both_ways(t, osprey, folder / "timers-pie-stripped", "timers-pie-stripped", minor)
    no_go(t, osprey, folder)
    return t.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[4:] if "--releases" in sys.argv else []))
