#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey gc` beside what the program itself prints under GODEBUG=gctrace=1 and reads from runtime.ReadMemStats.

Usage: test_gc.py OSPREY FOLDER [RELEASE...], as test_sched.py. Prints TAP."""
import csv
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import figures
from tap import Tap

TRIES = 6
# ReadMemStats takes memory for the lists it sorts spans into: what it calls GCSys then, was OtherSys before.
BY_LOOKING = ("# Sys =", "# GCSys =", "# OtherSys =")


def gc(osprey, pid, *options):
    run = subprocess.run([osprey, "gc", str(pid), *options], capture_output=True, text=True, timeout=120, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return run.stdout


def number(lines, name):
    return int(next(line for line in lines if line.startswith(f"# {name} = ")).split()[3])


def its_line_is_that_of_the_program(osprey, program, env):
    p = figures.Figures(program, GODEBUG="gctrace=1", **env)
    try:
        for words in (["gc"], ["alloc"] * 3 + ["gc"], ["alloc"] * 12 + ["gc"]):
            before = len(p.lines)
            for word in words:
                p.ask(word)
            p.wait_for_line("gc ", before)
            time.sleep(0.2)
            last = [line for line in p.lines if line.startswith("gc ")][-1]
            ours = gc(osprey, p.pid, "--trace", "-n", "1").rstrip("\n")
            if ours != last:
                return f"{ours}\n{last}"
        return ""
    finally:
        p.end()


def memstats_are_those_that_it_reads(osprey, program, env):
    """After it has read them, and before: when its Ps still keep to themselves what they count."""
    p = figures.Figures(program, **env)
    try:
        wrong = ""
        for _ in range(TRIES):
            for word in ["alloc"] * 5 + ["gc", "alloc", "stats", "alloc", "alloc"]:
                p.ask(word)
            time.sleep(0.3)
            before = gc(osprey, p.pid, "--memstats").splitlines()
            theirs = p.ask("stats")
            after = gc(osprey, p.pid, "--memstats").splitlines()
            wrong = [f"{a} | {b}" for a, b in zip(theirs, after) if a != b]
            wrong += [f"before: {a} | {b}" for a, b in zip(theirs, before) if a != b and not a.startswith(BY_LOOKING)]
            if not wrong and len(theirs) == len(after) == len(before):
                return ""  # else the scavenger may just have given something back
        return "\n".join(wrong) or "lines are missing"
    finally:
        p.end()


def the_pacer_is_as_the_program_set_it(osprey, program, env):
    p = figures.Figures(program, **env)
    try:
        for word in ("alloc", "gc"):
            p.ask(word)
        words = p.ask("limits")[0].split()
        said = dict(zip(words[::2], map(int, words[1::2])))
        answer = json.loads(gc(osprey, p.pid, "--json", "-d", "0.2"))
        goal = number(p.ask("stats"), "NextGC")
        if answer.get("gogc") != said["gogc"]:
            return f"GOGC {answer.get('gogc')}, not {said['gogc']}"
        if said["limit"] and answer.get("limit_bytes", 2**63 - 1) != said["limit"]:
            return f"limit {answer.get('limit_bytes')}, not {said['limit']}"
        # With GOGC=off and no limit it is what the address space leaves, which moves with each page.
        if answer["goal_bytes"] != goal and goal < 1 << 60:
            return f"goal {answer['goal_bytes']}, not {goal}"
        return "" if answer["marked_bytes"] <= answer["trigger_bytes"] <= answer["goal_bytes"] else str(answer)
    finally:
        p.end()


def under_load_no_line_is_invented(osprey, program, env):
    """Each line that is whole is one of the program's; what it says of others, the program's ring of pauses says too."""
    p = figures.Figures(program, GODEBUG="gctrace=1", **env)
    try:
        p.ask("load")
        p.wait_for_line("gc 5 ", 0)
        rows = list(csv.DictReader(io.StringIO(gc(osprey, p.pid, "--csv", "-d", "2"))))
        ours = gc(osprey, p.pid, "--trace", "-d", "2").splitlines()
        theirs = set(p.lines[:p.wait_for_line("gc ", len(p.lines)) + 1])
        whole = [line for line in ours if re.match(r"gc \d+ @", line)]
        numbers = [int(row["number"]) for row in rows]
        for line in whole:
            if line not in theirs:
                same = [t for t in theirs if t.startswith(line.split("@")[0])]
                return f"{line}\n{same}"
        for line in ours:
            if line not in whole and not re.match(r"gc \d+: (pauses|nothing)", line):
                return line
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or len(numbers) < 3:
            return f"cycles {numbers[:20]}"
        return "" if any(row["whole"] == "1" for row in rows) else "no cycle was whole"
    finally:
        p.end()


def a_core_says_the_same(osprey, program, env):
    """The state and the last cycle; when that began only where symbols tell when the program did."""
    if not shutil.which("gcore"):
        return ""
    p = figures.Figures(program, **env)
    try:
        for word in ("alloc", "gc", "gc"):
            p.ask(word)
        time.sleep(0.3)
        with tempfile.TemporaryDirectory() as place:
            for _ in range(TRIES):
                live = [gc(osprey, p.pid, *words) for words in (["--memstats"], ["--trace", "-n", "1"])]
                run = subprocess.run(["gcore", "-o", f"{place}/core", str(p.pid)], capture_output=True, check=False)
                if run.returncode:
                    return ""
                core = [gc(osprey, f"{place}/core.{p.pid}", *words) for words in (["--memstats"], ["--trace"])]
                core[1] = core[1].replace("@?s", re.search(r"@\S+", live[1]).group(0))
                if live == core:
                    return ""
        return "\n".join(live + core)
    finally:
        p.end()


TESTS = (its_line_is_that_of_the_program, memstats_are_those_that_it_reads, the_pacer_is_as_the_program_set_it,
         under_load_no_line_is_invented, a_core_says_the_same)
LIMITED = {"GOGC": "50", "GOMEMLIMIT": "30MiB"}


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    tap = Tap()
    for release, kind, program in figures.programs(tap, folder, sys.argv[3:]):
        old = release.startswith("go1.16")  # without symbols its pacer is not found, and its GOGC never
        if old and kind != "plain":
            continue
        for test in TESTS:
            pacer = test == the_pacer_is_as_the_program_set_it
            for env in ({}, LIMITED, *([{"GOGC": "off"}, {"GOGC": "0"}] if pacer else [])):
                if old and pacer or env.get("GOGC") == "0" and kind != "plain" and release.startswith("go1.18"):
                    continue  # there zeroes are not told from it
                wrong = test(osprey, program, env)
                said = ", ".join(f"{k}={v}" for k, v in env.items())
                tap.case(f"{release} {kind}: {test.__name__.replace('_', ' ')}{', ' + said if said else ''}", not wrong, wrong)
    sys.exit(tap.end())


if __name__ == "__main__":
    main()
