#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What osprey pprof -json says against the numbers that go tool pprof prints; and that it is JSON within its limit.

    pprof_json.py OSPREY

TAP on stdout.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REPORTS = ["-top", "-tree", "-peek=a", "-traces", "-tags"]
LIMITS = [600, 5000, 40000, 0]


def run(*command):
    env = dict(os.environ, TZ="UTC", HOME="/nonexistent")
    done = subprocess.run(command, env=env, capture_output=True, timeout=120)
    return done.stdout.decode(errors="replace")


def top_of_peer(peer, profile, unit):
    """(flat, cum, name) of each row, in whole units."""
    rows = []
    for line in run(*peer, "-top", f"-unit={unit}", profile).splitlines():
        m = re.match(r" *(-?\d+)\D* +\S+% +\S+% +(-?\d+)\D* +\S+%  (.*)$", line)
        if m:
            rows.append((int(m[1]), int(m[2]), re.sub(r" \((partial-)?inline\)$", "", m[3])))
    return rows


def main(osprey):
    n = failed = 0

    def result(ok, what, *why):
        nonlocal n, failed
        n += 1
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {n} - {what}")
        for w in () if ok else why:
            print(f"#   {w}")

    peer = ["go", "tool", "pprof"] if shutil.which("go") else None
    for profile in sorted(glob.glob(os.path.join(ROOT, "tests", "data", "go-profiles", "*.pb.gz"))):
        base = os.path.basename(profile)
        for report in REPORTS:
            whole = None
            for limit in reversed(LIMITS):
                text = run(osprey, "pprof", report, "-json", f"-json_bytes={limit}", profile)
                if not text and report.startswith("-peek"):
                    continue  # nothing is called that: an error, as without -json
                answer = json.loads(text)
                rows = answer["rows"]
                whole = rows if limit == 0 else whole
                ok = (not limit or len(text.encode()) <= limit or not rows) and rows == whole[: len(rows)] and \
                    answer["rows_total"] == len(whole) and answer["rows_left_out"] == len(whole) - len(rows)
                result(ok, f"{base} {report} -json_bytes={limit}", f"{len(text)} bytes, {len(rows)} rows")
        if not peer:
            continue
        answer = json.loads(run(osprey, "pprof", "-top", "-json", "-json_bytes=0", profile))
        got = [(r["flat"], r["cum"], r["name"]) for r in answer["rows"]]
        want = top_of_peer(peer, profile, answer["unit"])
        result(got == want, f"{base}: the rows of -top", *[f"{a} / {b}" for a, b in zip(want, got) if a != b][:3],
               f"{len(want)} / {len(got)}")
    if not peer:
        n += 1
        print(f"ok {n} - the numbers, against go tool pprof # SKIP no Go here")
    print(f"1..{n}")
    return failed > 0


sys.exit(main(os.path.abspath(sys.argv[1])))
