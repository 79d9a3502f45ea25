#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey goroutines beside a program whose goroutines are known (tests/targets/goroutines), and beside what that program
itself prints: runtime.NumGoroutine, and net/http/pprof's texts of debug=1 and debug=2.

Usage: test_goroutines.py OSPREY FOLDER [--releases RELEASE...]     FOLDER keeps the built programs
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from ready import TARGETS, build_targets, need_go
from tap import Tap

# Function -> goroutines that stand in it, and what they do. The rest of the truth is in the program's first comment.
KNOWN = {
    "main.waitReceive": (100, "chan receive"),
    "main.waitSend": (30, "chan send"),
    "main.waitSelect": (20, "select"),
    "main.waitMutex": (10, ("sync.Mutex.Lock", "semacquire")),
    "main.waitSleep": (5, "sleep"),
    "main.waitAccept": (2, "IO wait"),
    "main.waitLocked": (3, "chan receive"),
    "main.deep": (8, "chan receive"),
    "main.bottom": (1, "chan receive"),
}


class Target:
    def __init__(self, program, *words, prefix=(), stderr=None):
        self.child = subprocess.Popen([*prefix, program, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      stderr=stderr)
        head = self.child.stdout.readline().split()
        if not head:
            raise RuntimeError(f"{program} did not start")
        self.pid = self.child.pid if not prefix else None
        self.count = int(head[2])

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


def run(osprey, pid, *words):
    done = subprocess.run([osprey, "goroutines", str(pid), *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def groups(osprey, pid, *words):
    said = json.loads(run(osprey, pid, "--json", *words))
    return said, said["groups"]


def where(group):
    return group["where"]["function"]


# ---- what is known of the program ----------------------------------------------------------------------------------


def truth(osprey, target, work):
    """States, places, creators, labels, locked threads, depth, and the total."""
    wrong = []
    said, found = groups(osprey, target.pid)
    count = int(target.ask("count").split()[1])
    if said["goroutines"] != count or said["shown"] != count:
        wrong.append(f"NumGoroutine is {count}, shown are {said['goroutines']} and {said['shown']}")
    if int(run(osprey, target.pid, "-count")) != count:
        wrong.append(f"-count is not {count}")
    for function, (number, reason) in KNOWN.items():
        mine = [g for g in found if where(g) == function]
        if sum(g["count"] for g in mine) != number:
            wrong.append(f"{function}: {sum(g['count'] for g in mine)} of {number}")
        reasons = {reason} if isinstance(reason, str) else set(reason)
        wrong += [f"{function}: {g.get('wait_reason')}" for g in mine if g.get("wait_reason") not in reasons]
        creator = "main.startSenders" if function == "main.waitSend" else "main.start"
        wrong += [f"{function}: made by {g['created_by']['function']}" for g in mine
                  if not g["created_by"]["function"].startswith(creator)]
    for labels, number in (({"tenant": "red"}, 40), ({"tenant": "blue", "route": "/a"}, 20)):
        got = sum(sum(m.get("labels") == labels for m in g["goroutines"]) for g in found if where(g) == "main.waitReceive")
        if got != number:
            wrong.append(f"{labels}: {got} of {number}")
    locked = sum(g.get("locked", 0) for g in found if where(g) == "main.waitLocked")
    if locked != 3:
        wrong.append(f"{locked} of 3 are locked to their threads")
    depth = sorted(sum(f["function"] == "main.deep" for f in g["stack"]) for g in found if where(g) == "main.deep")
    if depth != list(range(1, 9)):
        wrong.append(f"calls of main.deep: {depth}")
    bottom = [g for g in found if where(g) == "main.bottom"]
    if not bottom or sum(f["function"] == "main.down" for f in bottom[0]["stack"]) != 301:
        wrong.append("main.bottom does not stand under 301 calls of main.down")
    if said["torn"] or said["cut"] or said["unread"]:
        wrong.append(f"of a quiet program: torn {said['torn']}, cut {said['cut']}, unread {said['unread']}")
    return wrong


def filters(osprey, target, work):
    """Each filter keeps what it should, and -without the rest."""
    wrong = []
    total = int(run(osprey, target.pid, "-count"))
    for words, number in (("userloc=main.waitSend", 30), ("startloc=waitselect", None), ("wait=select", 20),
                          ("label=tenant", 60), ("label=tenant=red", 40), ("label=tenant=green", 0), ("locked", 3),
                          ("goloc=main.startSenders", 30), ("down", 1), ("waiting,wait=sleep", 5), ("curloc=gopark", None)):
        kept = int(run(osprey, target.pid, "-count", "-with", words))
        if number is not None and kept != number:
            wrong.append(f"-with {words}: {kept}, not {number}")
        if "," not in words and kept + int(run(osprey, target.pid, "-count", "-without", words)) != total:
            wrong.append(f"-with and -without {words} are not all")
    system = int(run(osprey, target.pid, "-count", "--system"))
    said, _ = groups(osprey, target.pid)
    if system != said["goroutines"] + said["system_goroutines"] or said["system_goroutines"] < 3:
        wrong.append(f"--system: {system}, {said['goroutines']} and {said['system_goroutines']}")
    return wrong


def by(osprey, target, work):
    """Other groups than by stack."""
    wrong = []
    _, found = groups(osprey, target.pid, "-by", "label=tenant")
    got = {g["key"]: g["count"] for g in found}
    if got.get("red") != 40 or got.get("blue") != 20 or sum(got.values()) != int(run(osprey, target.pid, "-count")):
        wrong.append(f"by label: {got}")
    _, found = groups(osprey, target.pid, "-by", "creator")
    got = {}
    for g in found:
        got[g["key"].split()[0]] = got.get(g["key"].split()[0], 0) + g["count"]
    if got.get("main.startSenders") != 30:
        wrong.append(f"by creator: {got}")
    _, found = groups(osprey, target.pid, "-by", "wait")
    got = {g["key"]: g["count"] for g in found}
    if got.get("chan send") != 30 or got.get("select") != 20 or got.get("sleep") != 5:
        wrong.append(f"by wait: {got}")
    return wrong


# ---- the program's own texts ---------------------------------------------------------------------------------------


def records(text):
    """Of debug=1, without the goroutine that prints it."""
    head, _, rest = text.partition("\n")
    return head, [r for r in rest.split("\n\n") if r.strip() and "\tmain.main+" not in r]


def traces(text):
    """Of debug=2, without the goroutine that prints it, and without arguments and labels."""
    found = []
    for one in text.strip("\n").split("\n\n"):
        if one.startswith("goroutine 1 "):
            continue
        one = re.sub(r" labels:\{.*\}(?=\]:)", "", one)
        found.append(re.sub(r"(?m)^(\S.*)\([^()]*\)$", r"\1(...)", one))
    return found


def own_texts(osprey, target, work):
    wrong = []
    for debug, read in (1, records), (2, traces):
        own = pathlib.Path(work, f"own{debug}")
        if target.ask(f"debug{debug} {own}") != "written":
            return ["the program does not print its own"]
        want, got = read(own.read_text()), read(run(osprey, target.pid, "-debug", str(debug)))
        if want != got:
            pairs = zip(want, got) if debug == 2 else zip(want[1], got[1])
            differ = next(((a, b) for a, b in pairs if a != b), (want[0], got[0]))
            wrong.append(f"debug={debug} differs:\n{differ[0]}\n-- osprey\n{differ[1]}")
    return wrong


def waits(osprey, target, work):
    """After two collections the runtime knows how long its goroutines wait; osprey says the same."""
    target.ask("gc")
    time.sleep(1.1)
    target.ask("gc")
    begin = time.monotonic()
    _, found = groups(osprey, target.pid)
    most = time.monotonic() - begin + 30
    mine = [g for g in found if where(g) in KNOWN]
    wrong = [f"{where(g)}: of {g['count']} it is known of {g.get('waits_known', 0)}" for g in mine
             if g.get("waits_known") != g["count"]]
    return wrong + [f"{where(g)}: {g['waited_least_ns']} … {g['waited_most_ns']} ns" for g in mine
                    if not 1.0e9 <= g.get("waited_least_ns", 0) <= g.get("waited_median_ns", 0) <= g.get("waited_most_ns", 0)
                    <= most * 1e9]


def growth(osprey, target, work):
    """-diff finds who grows, and how fast."""
    child = subprocess.Popen([osprey, "goroutines", str(target.pid), "-diff", "4s", "--json"], stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    target.ask("grow 300")
    said = json.loads(child.communicate()[0])
    first = said["groups"][0]
    target.ask("shrink")
    if first["count"] - first["before"] != 300 or where(first) != "main.waitReceive":
        return [f"{where(first)} grew from {first['before']} to {first['count']}"]
    rate = 300 * 60 / said["interval_s"]
    return [] if abs(first["growth_per_minute"] - rate) < 0.01 * rate else [f"{first['growth_per_minute']} a minute, not {rate}"]


def profile(osprey, target, work):
    """go tool pprof reads the profile, and finds as many."""
    file = pathlib.Path(work, "goroutines.pb.gz")
    run(osprey, target.pid, "-o", str(file))
    top = subprocess.run(["go", "tool", "pprof", "-top", "-nodefraction=0", str(file)], capture_output=True, text=True)
    count = int(run(osprey, target.pid, "-count"))
    wrong = [] if f"of {count} total" in top.stdout else [top.stdout + top.stderr]
    for function, (number, _) in KNOWN.items():
        line = next((x for x in top.stdout.splitlines() if x.endswith(" " + function)), "")
        if f" {number} " not in line:
            wrong.append(f"{function}: {line}")
    return wrong


def one(osprey, target, work):
    """A single goroutine: 301 frames of main.down, which it began with, too; one that does not exist is an error."""
    wrong = []
    _, found = groups(osprey, target.pid, "-with", "userloc=main.bottom")
    sheet = run(osprey, target.pid, "-g", str(found[0]["goroutines"][0]["id"]))
    if sheet.count("main.down") != 302 or "created  by main.start" not in sheet or "chan receive" not in sheet:
        wrong.append(sheet[:600])
    refused = subprocess.run([osprey, "goroutines", str(target.pid), "-g", "999999999"], capture_output=True, text=True)
    if refused.returncode != 1 or "no goroutine 999999999" not in refused.stderr:
        wrong.append(refused.stderr)
    return wrong


def running(osprey, target, work):
    """Those that run have a thread of the process, and no stack that could be wrong; a whole one while all stands still."""
    wrong = []
    _, found = groups(osprey, target.pid, "-with", "startloc=main.spin")
    if sum(g["count"] for g in found) != 2:
        wrong.append(f"{sum(g['count'] for g in found)} of 2 spin")
    threads = set(os.listdir(f"/proc/{target.pid}/task"))
    for g in found:
        if g["state"] != "running":
            continue
        wrong += [f"goroutine {m['id']} on thread {m.get('tid')}" for m in g["goroutines"] if str(m.get("tid")) not in threads]
        if g["stack"]:
            wrong.append("a stack of one that runs")
    _, found = groups(osprey, target.pid, "-with", "startloc=main.spin", "--freeze")
    for g in found:
        names = [f["function"] for f in g["stack"]]
        if g.get("stack_cut") or "main.spin" not in names or names[-1] != "runtime.goexit":
            wrong.append(f"with --freeze: {g['state']} {names}")
    return wrong


def elsewhere(osprey, folder, work):
    """In other namespaces of pids and mounts."""
    with Target(str(folder / "goroutines"), prefix=["unshare", "--fork", "--pid", "--mount", "--mount-proc"]) as target:
        children = pathlib.Path(f"/proc/{target.child.pid}/task/{target.child.pid}/children").read_text().split()
        target.pid = int(children[0])
        settle(osprey, target)
        wrong = truth(osprey, target, work)
        subprocess.run(["kill", "-9", str(target.pid)], check=False)
    return wrong


def build(release, folder):
    """The program by another release of Go; False if that cannot be had."""
    out = folder / f"goroutines-{release}"
    if out.exists():
        return True
    env = dict(os.environ, GOTOOLCHAIN=release, GOFLAGS="-mod=mod", CGO_ENABLED="0")
    done = subprocess.run(["go", "build", "-ldflags=-s -w", "-o", str(out), "./goroutines"], cwd=TARGETS, env=env,
                          capture_output=True, check=False)
    return done.returncode == 0


ALL = [truth, filters, by, own_texts, waits, growth, profile, one]
FEW = [truth, own_texts, waits]


def settle(osprey, target):
    """On a busy machine it may take a while until all have come to where they wait."""
    for _ in range(40):
        _, found = groups(osprey, target.pid)
        if all(sum(g["count"] for g in found if where(g) == f and g["state"] == "waiting") == n for f, (n, _) in KNOWN.items()):
            return
        time.sleep(0.25)


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    need_go()
    tap = Tap()
    if sys.argv[3:4] == ["--releases"]:
        releases = (os.environ.get("OSPREY_GO_RELEASES") or " ".join(sys.argv[4:])).split()
        programs = [(f"goroutines-{r}", FEW, (), build(r, folder)) for r in releases]
    else:
        build_targets(folder, "goroutines", "goroutines-stripped", "goroutines-pie", "goroutines-cgo")
        programs = [("goroutines", ALL, (), True), ("goroutines-stripped", FEW, (), True), ("goroutines-pie", FEW, (), True),
                    ("goroutines-cgo", FEW, (), True), ("goroutines", [running], ("-spin", "2"), True)]
    with tempfile.TemporaryDirectory() as work:
        for program, tests, words, there in programs:
            if not there:
                tap.skip(program, "this release cannot be had, or does not build the program")
                continue
            with Target(str(folder / program), *words) as target:
                settle(osprey, target)
                for test in tests:
                    try:
                        tap.same(f"{program}: {test.__name__}", test(osprey, target, work))
                    except (RuntimeError, KeyError, IndexError) as e:
                        tap.case(f"{program}: {test.__name__}", False, repr(e))
        if sys.argv[3:4] != ["--releases"]:
            if os.geteuid() == 0 and shutil.which("unshare"):
                tap.same("in other namespaces", elsewhere(osprey, folder, work))
            else:
                tap.skip("in other namespaces", "needs root and unshare")
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
