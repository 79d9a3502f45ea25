#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey guard`: limits that are passed, a process that ends, and a real OOM kill in a cgroup.

Usage: test_guard.py OSPREY FOLDER. Prints TAP."""
import csv
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

from tap import Tap

# Waits for a line, then takes so many MB a tenth of a second, up to so many.
GROW = """
import sys, time
step, most = int(sys.argv[1]), int(sys.argv[2])
print('ready', flush=True)
sys.stdin.readline()
kept = []
while len(kept) * step < most:
    kept.append(bytearray(b'x') * (step << 20))
    time.sleep(0.1)
time.sleep(600)
"""


def grower(step, most):
    p = subprocess.Popen([sys.executable, "-c", GROW, str(step), str(most)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         text=True)
    p.stdout.readline()
    return p


def guard(osprey, at, pid, *words):
    return subprocess.Popen([osprey, "guard", str(pid), "-o", str(at), "--interval", "0.2", "-d", "1", *map(str, words)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def let_go(p):
    p.stdin.write("\n")
    p.stdin.flush()


def folders(at):
    return {f.name.rsplit("-", 1)[1] if not f.name.endswith("memory-event") else "memory-event": f for f in pathlib.Path(at).iterdir()}


def looks(folder):
    with open(folder / "looks.csv", encoding="ascii", newline="") as f:
        return list(csv.DictReader(f))


def rss(t, osprey):
    with tempfile.TemporaryDirectory() as at:
        p = grower(4, 120)
        g = guard(osprey, at, p.pid, "--rss", "80M")
        let_go(p)
        out, err = g.communicate(timeout=120)
        f = folders(at)
        t.case("a limit of resident memory trips", g.returncode == 3 and list(f) == ["rss"], out, err, f)
        here = f.get("rss")
        names = {x.name for x in here.iterdir()} if here else set()
        t.case("facts, answer, page and looks are kept",
               {"trigger.json", "looks.csv", "facts.osp", "why.json", "why.txt", "why.html", "memory.json"} <= names, names)
        last = looks(here)[-1] if here else {}
        t.case("the looks show what tripped it", int(float(last.get("rss_bytes", 0))) > 80 << 20, last)
        again = subprocess.run([osprey, "why", str(here / "facts.osp"), "--json"], capture_output=True, text=True, timeout=60)
        t.case("the facts are of that process", json.loads(again.stdout)["process"]["pid"] == p.pid, again)
        t.case("nothing half-written is left", not [x for x in pathlib.Path(at).iterdir() if x.name.startswith(".")])
        p.kill()
        p.wait()


def ended(t, osprey):
    with tempfile.TemporaryDirectory() as at:
        p = grower(1, 1)
        g = guard(osprey, at, p.pid, "--rss", "900G")
        g_line = None
        p.kill()
        p.wait()
        g_line, err = g.communicate(timeout=120)
        f = folders(at)
        t.case("the end of the process is told", g.returncode in (1, 3) and (list(f) == ["ended"] or "has exited" in err or
                                                                             "no such process" in err), g_line, err, f)


def probe(t, osprey):
    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(500)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as at:
        p = grower(1, 1)
        g = guard(osprey, at, p.pid, "--probe", f"http://127.0.0.1:{server.server_port}/", "--probe-over", "20s")
        out, err = g.communicate(timeout=120)
        if "libcurl" in err:
            t.skip("a probe that is answered with an error trips", err.strip())
        else:
            t.case("a probe that is answered with an error trips", g.returncode == 3 and list(folders(at)) == ["probe"], out, err)
        p.kill()
        p.wait()
    server.shutdown()


def oom(t, osprey):
    own = next((line.split(":")[2] for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
                if line.split(":")[1] == "memory"), None)
    home = pathlib.Path(f"/sys/fs/cgroup/memory{own}") if own else None
    group = home / f"osprey-guard-{os.getpid()}" if own else None
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(160 << 20), encoding="ascii")
    except (AttributeError, OSError) as e:
        t.skip("a real OOM kill is told", f"no cgroup with a memory limit can be made here: {e}")
        return
    try:
        with tempfile.TemporaryDirectory() as at:
            p = grower(2, 1000)
            (group / "cgroup.procs").write_text(str(p.pid), encoding="ascii")
            g = guard(osprey, at, p.pid, "--count", 0, "--rest", 0)
            let_go(p)
            out, err = g.communicate(timeout=120)
            f = folders(at)
            t.case("a real OOM kill is told", g.returncode == 3 and "oom" in f and p.wait() == -9, out, err, f)
            t.case("and the approach to it was kept before", "memory" in f and (f["memory"] / "facts.osp").exists(), out, f)
    finally:
        group.rmdir()


def words(t, osprey):
    for line in (["--rss", "12Q"], ["--rss", "-5"], ["--memory", "101"], []):
        r = subprocess.run([osprey, "guard", *line, *(["1"] if line else [])], capture_output=True, text=True, timeout=60)
        t.case(f"guard {' '.join(line)} is refused", r.returncode == 2 and r.stderr, r)


def main(osprey, _folder):
    t = Tap()
    words(t, osprey)
    rss(t, osprey)
    ended(t, osprey)
    probe(t, osprey)
    oom(t, osprey)
    sys.exit(t.end())


main(*sys.argv[1:])
