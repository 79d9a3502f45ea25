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
import sys

import peer
from tap import Tap

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REPORTS = ["-top", "-tree", "-peek=a", "-traces", "-tags"]
LIMITS = [600, 5000, 40000, 0]


def run(command, *args):
    return peer.ask(command, *args)[1].decode(errors="replace")


def top_of_peer(command, profile, unit):
    """(flat, cum, name) of each row, in whole units."""
    rows = []
    for line in run(command, "-top", f"-unit={unit}", profile).splitlines():
        m = re.match(r" *(-?\d+)\D* +\S+% +\S+% +(-?\d+)\D* +\S+%  (.*)$", line)
        if m:
            rows.append((int(m[1]), int(m[2]), re.sub(r" \((partial-)?inline\)$", "", m[3])))
    return rows


def main(osprey):
    tap = Tap()
    ours = [osprey, "pprof"]
    command, why_not = peer.find()
    for profile in sorted(glob.glob(os.path.join(ROOT, "tests", "data", "go-profiles", "*.pb.gz"))):
        base = os.path.basename(profile)
        for report in REPORTS:
            whole = None
            for limit in reversed(LIMITS):
                text = run(ours, report, "-json", f"-json_bytes={limit}", profile)
                if not text and report.startswith("-peek"):
                    continue  # nothing is called that: an error, as without -json
                answer = json.loads(text)
                rows = answer["rows"]
                whole = rows if limit == 0 else whole
                ok = (not limit or len(text.encode()) <= limit or not rows) and rows == whole[: len(rows)] and \
                    answer["rows_total"] == len(whole) and answer["rows_left_out"] == len(whole) - len(rows)
                tap.case(f"{base} {report} -json_bytes={limit}", ok, f"{len(text)} bytes, {len(rows)} rows")
        if not command:
            continue
        answer = json.loads(run(ours, "-top", "-json", "-json_bytes=0", profile))
        got = [(r["flat"], r["cum"], r["name"]) for r in answer["rows"]]
        want = top_of_peer(command, profile, answer["unit"])
        tap.case(f"{base}: the rows of -top", got == want, *[f"{a} / {b}" for a, b in zip(want, got) if a != b][:3],
                 f"{len(want)} / {len(got)}")
    if not command:
        tap.skip("the numbers, against go tool pprof", why_not)
    return tap.end()


sys.exit(main(os.path.abspath(sys.argv[1])))
