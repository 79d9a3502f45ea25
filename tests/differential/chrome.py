#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A trace that Node writes, against an independent sum over the same JSON.

    chrome.py OSPREY

A script runs under node with V8's CPU profiler writing into the trace; self times by function must be the sums of the chunks'
time deltas. Without the profiler, the durations of the trace must add up by name. Skipped without node. TAP on stdout.
"""
import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

SCRIPT = """
const fs = require('fs');
function spin(n) { let s = 0; for (let i = 0; i < n; i++) s += Math.sqrt(i * s + 1); return s }
function outer() { return spin(1e6) + inner() }
function inner() { return spin(2e6) }
for (let i = 0; i < 8; i++) { outer(); fs.existsSync('/'); fs.readdirSync('/') }
"""


def folded(osprey, path, index):
    got = subprocess.run([osprey, "convert", "-f", "folded", "-i", index, path, "-"], capture_output=True, text=True)
    if got.returncode:
        raise AssertionError(got.stderr)
    own = collections.Counter()
    for line in got.stdout.splitlines():
        stack, value = line.rsplit(" ", 1)
        own[stack.split(";")[-1]] += int(value)
    return own


def trace(folder, *options):
    for old in os.listdir(folder):
        if old.startswith("node_trace"):
            os.remove(os.path.join(folder, old))
    subprocess.run(["node", *options, "x.js"], cwd=folder, check=True, capture_output=True)
    return os.path.join(folder, next(n for n in os.listdir(folder) if n.startswith("node_trace")))


def samples(osprey, folder):
    path = trace(folder, "--cpu-prof", "--trace-event-categories", "disabled-by-default-v8.cpu_profiler,v8")
    events = sorted((e for e in json.load(open(path))["traceEvents"] if e["ph"] == "P"), key=lambda e: e["ts"])
    names, time, count, last = {}, collections.Counter(), collections.Counter(), {}
    for e in events:
        data, key = e["args"]["data"], (e["pid"], e["id"])
        for n in data.get("cpuProfile", {}).get("nodes", []):
            names[key, n["id"]] = n["callFrame"]["functionName"] or "(anonymous)"
        for node, delta in zip(data.get("cpuProfile", {}).get("samples", []), data.get("timeDeltas", [])):
            if key in last:
                time[names[key, last[key]]] += max(0, delta) * 1000
            last[key] = node
            count[names[key, node]] += 1
    assert count, "node wrote no samples"
    for have, want, what in ((folded(osprey, path, "cpu"), time, "time"), (folded(osprey, path, "samples"), count, "samples")):
        for name in want:
            # What the last sample of a profile lasted stands in no delta.
            slack = 0 if what == "samples" else 1e9 if name in [names[k, v] for k, v in last.items()] else 0
            if name != "(root)" and abs(have[name] - want[name]) > slack:
                raise AssertionError(f"{what} of {name}: {have[name]}, not {want[name]}")
    assert have["spin"] > 0.5 * sum(have.values()), f"spin is not on top: {have}"


def durations(osprey, folder):
    path = trace(folder, "--trace-event-categories", "node.fs.sync")
    begun, total = {}, collections.Counter()
    events = [e for e in json.load(open(path))["traceEvents"] if e["ph"] in "BE"]
    for e in events:
        if e["ph"] == "B":
            begun[e["tid"], e["name"]] = e["ts"]
        else:
            total[e["name"]] += (e["ts"] - begun.pop((e["tid"], e["name"]))) * 1000
    have = folded(osprey, path, "time")
    assert total and not begun, "node wrote no durations"
    assert {k: v for k, v in total.items() if v} == dict(have), f"{dict(have)} instead of {dict(total)}"


def main(osprey):
    if not shutil.which("node"):
        print("1..0 # SKIP no node here")
        return 0
    failed, tests = 0, [samples, durations]
    with tempfile.TemporaryDirectory() as folder:
        open(os.path.join(folder, "x.js"), "w").write(SCRIPT)
        for i, test in enumerate(tests, 1):
            why = ""
            try:
                test(osprey, folder)
            except AssertionError as e:
                why = str(e)
            failed += bool(why)
            print(f"{'not ok' if why else 'ok'} {i} - {test.__name__} in a trace that node wrote" + (f"\n# {why}" if why else ""))
    print(f"1..{len(tests)}")
    return failed > 0


sys.exit(main(os.path.abspath(sys.argv[1])))
