#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey sched` beside the lines that the program itself prints under GODEBUG=schedtrace, scheddetail.

Usage: test_sched.py OSPREY FOLDER [RELEASE...]. FOLDER is where programs are built. Releases are names of toolchains
("go1.22.12", "local": the go command itself); OSPREY_GO_RELEASES (separated by blanks) overrides them; what cannot be had
is skipped. Prints TAP."""
import os
import pathlib
import re
import subprocess
import sys
import time

import figures
from tap import Tap

TRIES = 6
DEBUG = "schedtrace=100,scheddetail=1"


def sched(osprey, pid, *options):
    run = subprocess.run([osprey, "sched", str(pid), *options], capture_output=True, text=True, timeout=60, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return run.stdout.splitlines()


def still(lines):
    """Without what is never still: the time; the thread that prints holds locks meanwhile."""
    lines = [re.sub(r"^SCHED \d+ms", "SCHED", line) for line in lines]
    return [re.sub(r"locks=\d+ (.*spinning=false blocked=false lockedg=(nil|-1))$", r"locks=- \1", line)
            if re.match(r"  M1: p=(nil|-1) curg=(nil|-1) ", line) else line for line in lines]


def ms(line):
    return int(re.match(r"SCHED (\d+)ms", line).group(1))


def it_prints_what_the_program_prints(osprey, program):
    p = figures.Figures(program, GODEBUG=DEBUG, GOMAXPROCS="3")
    try:
        p.ask("gc")
        for _ in range(TRIES):
            time.sleep(0.3)
            before = p.block(len(p.lines))
            ours = sched(osprey, p.pid, "--detail")
            after = p.block(len(p.lines))
            wrong = "" if still(ours) == still(after) else "\n".join(
                f"{a}\n{b}" for a, b in zip(still(after), still(ours)) if a != b) or f"{len(ours)} lines, not {len(after)}"
            if not wrong and not ms(before[0]) <= ms(ours[0]) <= ms(after[0]):
                return f"{ours[0]} between\n{before[0]} and\n{after[0]}"
            if not wrong or still(before) == still(after):  # else it was not at rest: again
                return wrong
        return "the program never comes to rest"
    finally:
        p.end()


def the_short_line_too(osprey, program):
    p = figures.Figures(program, GODEBUG="schedtrace=50", GOMAXPROCS="3")
    try:
        for _ in range(TRIES):
            p.ask("gc")
            time.sleep(0.3)
            before = p.lines[p.wait_for_line("SCHED", len(p.lines))]
            ours = sched(osprey, p.pid, "--trace")
            after = p.lines[p.wait_for_line("SCHED", len(p.lines))]
            if still([before]) == still([after]):
                return "" if still(ours) == still([after]) else f"{ours}\n{after}"
        return "the program never comes to rest"
    finally:
        p.end()


def ticks(lines):
    return {m.group(1): (int(m.group(2)), int(m.group(3))) for line in lines
            if (m := re.match(r"  (P\d+): status=\d schedtick=(\d+) syscalltick=(\d+) ", line))}


def what_moves_lies_between_two_of_its_blocks(osprey, program):
    p = figures.Figures(program, GODEBUG=DEBUG, GOMAXPROCS="3")
    try:
        p.ask("load")
        for _ in range(10):
            before = p.block(len(p.lines))
            ours = sched(osprey, p.pid, "--detail")
            after = p.block(len(p.lines))
            if not set(ticks(before)) == set(ticks(ours)) == set(ticks(after)) or len(ticks(ours)) != 3:
                return f"Ps {ticks(ours)}"
            for name, now in ticks(ours).items():
                for first, value, last in zip(ticks(before)[name], now, ticks(after)[name]):
                    if not first <= value <= last:
                        return f"{name}: {value}, its own lines say {first} before and {last} after"
            if not ms(before[0]) <= ms(ours[0]) <= ms(after[0]):
                return f"{ours[0]} between\n{before[0]} and\n{after[0]}"
            for line in ours[1:]:
                if not re.match(r"  ([PM]\d+: \S|G\d+: status=\d+\([^()]*(\([^()]*\))?\) m=)", line):
                    return line
        return ""
    finally:
        p.end()


def time_counts_from_the_start(osprey, program):
    """Without GODEBUG: how long the runtime has been up."""
    started = time.monotonic()
    p = figures.Figures(program)
    try:
        p.ask("gc")
        up = time.monotonic()
        time.sleep(0.5)
        least = time.monotonic() - up
        ours = ms(sched(osprey, p.pid, "--trace")[0]) / 1e3
        return "" if least - 0.01 <= ours <= time.monotonic() - started else f"{ours} s, at least {least} s"
    finally:
        p.end()


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    tap = Tap()
    for release, kind, program in figures.programs(tap, folder, sys.argv[3:]):
        for test in (it_prints_what_the_program_prints, the_short_line_too, what_moves_lies_between_two_of_its_blocks,
                     time_counts_from_the_start):
            wrong = test(osprey, program)
            tap.case(f"{release} {kind}: {test.__name__.replace('_', ' ')}", not wrong, wrong)
    sys.exit(tap.end())


if __name__ == "__main__":
    main()
