#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The forms of `osprey why`: saved facts, pages, several processes, a cgroup, a process that stands still. What it finds is
judged elsewhere (tests/why).

Usage: test_why_forms.py OSPREY FOLDER. Prints TAP."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

from tap import Tap

SPIN = "import ctypes, sys\nctypes.CDLL(None).prctl(15, sys.argv[1].encode())\nprint('ready', flush=True)\nwhile True: pass"
SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(600)"


def started(code, *words):
    child = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    return child


def ask(osprey, *words):
    return subprocess.run([osprey, "why", *map(str, words)], capture_output=True, text=True, timeout=120)


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]


def saved_facts(t, osprey, spin, at):
    facts = at / "facts.osp"
    first = ask(osprey, spin.pid, "-d", 1, "--json", "--save", facts)
    again = ask(osprey, facts, "--json")
    t.equal("saved facts give the answer that was given", first.stdout, again.stdout)
    t.case("and the same status", first.returncode == again.returncode, first, again)
    t.case("a command line is not in them", b"ctypes" not in facts.read_bytes())
    damaged = at / "damaged"
    damaged.write_bytes(facts.read_bytes()[:200])
    r = ask(osprey, damaged)
    t.case("facts that end early are refused in a line", r.returncode == 1 and r.stderr.count("\n") == 1, r)
    r = ask(osprey, sys.executable)
    t.case("a file that holds none is refused, and what makes them is said", r.returncode == 2 and "--save" in r.stderr, r)
    r = ask(osprey, spin.pid, "-d", 1, "--save", at / "nowhere" / "facts")
    t.case("a place that cannot be written is said, after the answer", r.returncode == 1 and "nowhere" in r.stderr and r.stdout, r)


def pages(t, osprey, spin, at):
    page = at / "why.html"
    r = ask(osprey, spin.pid, "-d", 1, "--html", page)
    text = page.read_text(encoding="utf-8")
    t.case("a page is written beside the answer", r.returncode in (0, 3) and r.stdout and "</html>" in text, r)
    t.case("what a process calls itself is no markup", "<b>x</b>" not in text and "&lt;b&gt;x&lt;/b&gt;" in text)
    outside = [u for u in re.findall(r"(?:src|href|url\()\s*=?\s*[\"']?([a-z]+:[^\"') >]+)", text) if not u.startswith("data:")]
    t.case("the page asks nobody for anything", not outside and "default-src 'none'" in text, outside)
    t.case("it holds a flame graph", "<svg" in text and 'class="flame"' in text)


def several(t, osprey, spin, rest):
    gone = subprocess.Popen(["true"])
    gone.wait()
    r = ask(osprey, spin.pid, rest.pid, gone.pid, "-d", 1, "--json")
    o = json.loads(r.stdout)
    pids = [x["process"]["pid"] for x in o["targets"]]
    t.case("several processes are targets, in the order given", pids == [spin.pid, rest.pid, gone.pid], r)
    t.case("one that is gone is told apart from those looked at",
           ["error" in x for x in o["targets"]] == [False, False, True] and r.returncode in (0, 3), r)
    r = ask(osprey, gone.pid, 2 ** 31 - 2, "-d", 1)
    t.case("if none can be looked at, that is a failure", r.returncode == 1, r)
    r = ask(osprey, spin.pid, rest.pid, "--save", "x")
    t.case("facts of several in one file are refused", r.returncode == 2, r)


def cgroup(t, osprey, spin, rest):
    name = f"osprey-test-{os.getpid()}"
    homes = [pathlib.Path("/sys/fs/cgroup/pids"), pathlib.Path("/sys/fs/cgroup")]
    home = next((h for h in homes if (h / "cgroup.procs").exists()), None)
    try:
        (home / name).mkdir()
    except (OSError, TypeError) as e:
        t.skip("a cgroup", f"no cgroup can be made here: {e}")
        return
    try:
        for p in (spin, rest):
            (home / name / "cgroup.procs").write_text(str(p.pid), encoding="ascii")
        r = ask(osprey, "--cgroup", home / name, "-d", 1, "--json")
        pids = sorted(x["process"]["pid"] for x in json.loads(r.stdout)["targets"])
        t.case("all of a cgroup are targets", pids == sorted([spin.pid, rest.pid]), r)
        r = ask(osprey, "--cgroup", home / name, spin.pid)
        t.case("a cgroup and a pid are refused", r.returncode == 2, r)
    except OSError as e:
        t.skip("a cgroup", f"no process can be put into a cgroup here: {e}")
    finally:
        for p in (spin, rest):
            try:
                (home / "cgroup.procs").write_text(str(p.pid), encoding="ascii")
            except OSError:
                pass
        (home / name).rmdir()


def stopped(t, osprey, spin):
    os.kill(spin.pid, signal.SIGSTOP)
    r = ask(osprey, spin.pid, "-d", 1, "--json")
    o = json.loads(r.stdout)
    t.case("a stopped process is answered for", r.returncode in (0, 3) and o["process"].get("stopped") is True, r)
    t.case("and stays stopped", state_of(spin.pid) == "T")
    os.kill(spin.pid, signal.SIGCONT)


GC = "gc {n} @{at:.3f}s 70%: 0.05+{ms}+0.02 ms clock, 0.1+9/{cpu}/0+0.04 ms cpu, 101->103->99 MB, 102 MB goal, 0 MB stacks, 0 MB globals, 2 P"


def files(t, osprey, at):
    """A profile and a log of a program whose collector runs all the time: GOGC=3."""
    folded, log, empty = at / "cpu.folded", at / "gc.log", at / "empty.log"
    folded.write_text("main.main;main.work;runtime.mallocgc 60\nruntime.gcBgMarkWorker;runtime.gcDrain;runtime.scanobject 400\n"
                      "main.main;main.work 40\n", encoding="ascii")
    profile = at / "cpu.pb.gz"
    subprocess.run([osprey, "convert", str(folded), str(profile)], check=True, capture_output=True)
    log.write_text("".join("x 2026-11-23 " + GC.format(n=n, at=n / 20, ms=40, cpu=60) + "\n" for n in range(1, 100)), encoding="ascii")
    r = ask(osprey, "--gctrace", log, "--json")
    t.case("a log alone is judged, and nothing is made up", r.returncode == 0 and json.loads(r.stdout)["findings"] == [], r)
    r = ask(osprey, "--gctrace", log)
    t.case("what files cannot tell is not ruled out", "ruled out" not in r.stdout and "these files" in r.stdout, r)
    r = ask(osprey, "--profile", profile)
    t.case("a profile that counts no CPU time is refused", r.returncode == 1 and "CPU profile" in r.stderr, r)
    empty.write_text("nothing\n", encoding="ascii")
    r = ask(osprey, "--schedtrace", empty)
    t.case("a log without such lines is refused", r.returncode == 1 and "schedtrace" in r.stderr, r)
    r = ask(osprey, "--goroutines", at / "none")
    t.case("a file that is not there is said", r.returncode == 1 and "none" in r.stderr, r)
    r = ask(osprey, "--gctrace", log, "1")
    t.case("files and a process are refused", r.returncode == 2, r)


def main(osprey, _folder):
    t = Tap()
    with tempfile.TemporaryDirectory() as at:
        files(t, osprey, pathlib.Path(at))
    spin, rest = started(SPIN, "<b>x</b>"), started(SLEEP)
    try:
        with tempfile.TemporaryDirectory() as at:
            saved_facts(t, osprey, spin, pathlib.Path(at))
            pages(t, osprey, spin, pathlib.Path(at))
        several(t, osprey, spin, rest)
        cgroup(t, osprey, spin, rest)
        stopped(t, osprey, spin)
    finally:
        for p in (spin, rest):
            p.kill()
            p.wait()
    sys.exit(t.end())


main(*sys.argv[1:])
