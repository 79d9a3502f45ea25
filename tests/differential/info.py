#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey info --json` against what the makers of the files say: the runtime.MemStats in a heap text that a Go program
writes, read independently; perf's own reading of a perf.data's header.

Usage: info.py OSPREY. Prints TAP.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM = r"""
package main

import ("os"; "runtime"; "runtime/pprof")

var keep [][]byte

func main() {
	for i := 0; i < 300; i++ { keep = append(keep, make([]byte, 100000)); if i%50 == 0 { runtime.GC() } }
	pprof.Lookup("heap").WriteTo(os.Stdout, 1)
}
"""


def memstats_of(text):
    """The fields behind `# runtime.MemStats`, by an independent reading."""
    out = {}
    for name, value in re.findall(r"^# (\w+) = (.*)$", text.split("# runtime.MemStats")[1], re.M):
        if " / " in value:
            out[name + "Inuse"], out[name + "Sys"] = map(int, value.split(" / "))
        elif value.startswith("["):
            out[name] = [int(v) for v in value[1:-1].split()]
        else:
            out[name] = {"true": True, "false": False}[value] if value in ("true", "false") else \
                float(value) if re.search(r"[.e]", value) else int(value)
    return out


def info(osprey, path):
    return json.loads(subprocess.run([osprey, "info", "--json", path], capture_output=True, check=True, text=True).stdout)


def check_go(osprey, folder):
    if not shutil.which("go"):
        return "skip no go"
    source, text = os.path.join(folder, "main.go"), os.path.join(folder, "heap.txt")
    with open(source, "w", encoding="utf-8") as f:
        f.write(PROGRAM)
    with open(text, "w", encoding="utf-8") as f:
        subprocess.run(["go", "run", source], stdout=f, check=True, env=os.environ | {"GO111MODULE": "off"})
    with open(text, encoding="utf-8") as f:
        want = memstats_of(f.read())
    got = info(osprey, text)["details"]["memstats"]
    wrong = {k: (v, got.get(k)) for k, v in want.items()
             if (abs(v - got.get(k, 0)) > 1e-9 * v if isinstance(v, float) else v != got.get(k))}
    return f"wrong: {wrong}" if wrong else "" if len(want) >= 29 and len(got) == len(want) else f"only {list(got)}"


def check_perf(osprey, folder):
    data = os.path.join(folder, "perf.data")
    made = shutil.which("perf") and subprocess.run(
        ["perf", "record", "-q", "-e", "cpu-clock,page-faults", "-o", data, "--", sys.executable, "-c", "sum(range(5000000))"],
        capture_output=True, check=False).returncode == 0 and os.path.exists(data)
    if not made:
        return "skip perf cannot record here"
    head = subprocess.run(["perf", "report", "--header-only", "-i", data], capture_output=True, text=True, check=False).stdout
    told = {k: v.strip() for k, v in re.findall(r"^# (hostname|os release|arch|cpudesc|cmdline) : (.*)$", head, re.M)}
    script = subprocess.run(["perf", "script", "-F", "event", "-i", data], capture_output=True, text=True, check=False).stdout
    events = {}
    for name in script.split():
        events[name.rstrip(":")] = events.get(name.rstrip(":"), 0) + 1
    details = info(osprey, data)["details"]
    want = {"command": told["cmdline"], "host": told["hostname"], "kernel": told["os release"], "arch": told["arch"]}
    if "cpudesc" in told:
        want["cpu"] = told["cpudesc"]
    got = {k: v for k, v in details["recording"].items() if k in want}
    if got != want:
        return f"{got} instead of {want}"
    return "" if sum(details["events"].values()) == sum(events.values()) and len(details["events"]) == len(events) \
        else f"{details['events']} instead of {events}"


def main(osprey):
    checks = [("runtime.MemStats as a Go program writes them", check_go), ("the header of a perf.data", check_perf)]
    bad = 0
    print(f"1..{len(checks)}")
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, check) in enumerate(checks):
            said = check(osprey, folder)
            skip = said.startswith("skip ")
            bad += bool(said) and not skip
            print(f"{'not ok' if said and not skip else 'ok'} {i + 1} - {name}{' # SKIP ' + said[5:] if skip else ''}")
            if said and not skip:
                print("# " + said)
    return bad > 0


sys.exit(main(sys.argv[1]))
