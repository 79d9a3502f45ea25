#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey reads what `perf script` prints, against a second reading of the same text in a dozen lines.

Usage: perf_script.py OSPREY. Records a program of its own with perf; skipped where perf cannot. Prints TAP.
"""
import collections
import os
import re
import subprocess
import sys
import tempfile

PROGRAM = r"""
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
static inline __attribute__((always_inline)) double inlined(double x) { for (int i = 0; i < 99; i++) x = x * 1.01 + 1; return x; }
__attribute__((noinline)) double leaf(double x) { for (int i = 0; i < 999; i++) x = inlined(x); return x + sin(x); }
__attribute__((noinline)) double deep(int n, double x) { return n ? deep(n - 1, x) + 1 : leaf(x); }
static void *thread(void *p) { double x = 1; for (int i = 0; i < 900; i++) x = deep(i % 9, x); *(double *)p = x; return p; }
int main(void) { pthread_t t; double a, b; pthread_create(&t, 0, thread, &a); thread(&b); pthread_join(t, 0); return a > b; }
"""


def folded(text):
    """{"root;…;leaf": weight} of the first event."""
    stacks, stack, weight = collections.Counter(), None, 0
    for line in text.splitlines() + [""]:
        head = re.match(r"\S.*?\s[\d/]+\s.*?:\s+(\d+)\s+\S+:\s*$", line)
        frame = re.match(r"\s+[0-9a-f]+ (.*) \((.*?)\)$", line)
        if head:
            stack, weight = [], int(head.group(1))
        elif frame:
            name = re.sub(r"\+0x[0-9a-f]+$", "", frame.group(1))
            if name == "[unknown]":
                name = "[" + os.path.basename(frame.group(2)).strip("[]") + "]"
            stack.append(name.replace(";", ":"))
        elif not line and stack:
            stacks[";".join(reversed(stack))] += weight
            stack = None
    return stacks


def ours(osprey, path):
    out = subprocess.run([osprey, "convert", "-f", "folded", path, "-"], capture_output=True, text=True)
    if out.returncode:
        return out.stderr
    return collections.Counter({s: int(n) for s, n in (line.rsplit(" ", 1) for line in out.stdout.splitlines())})


def record(folder, how, fields):
    data, text = os.path.join(folder, how + ".data"), os.path.join(folder, how + ".txt")
    words = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "999", "--call-graph", how, "-o", data]
    if subprocess.run([*words, os.path.join(folder, "program")], capture_output=True).returncode:
        return None
    with open(text, "w", encoding="utf-8") as out:
        subprocess.run(["perf", "script", "-i", data, *fields], stdout=out, stderr=subprocess.DEVNULL, check=False)
    return text


def main(osprey):
    cases = [("fp", []), ("fp", ["--header"]), ("dwarf", []), ("fp", ["-F", "comm,pid,tid,time,period,event,ip,sym,dso"])]
    print(f"1..{len(cases)}")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "program.c")
        with open(source, "w", encoding="utf-8") as out:
            out.write(PROGRAM)
        subprocess.run(["gcc", "-O1", "-g", "-fno-omit-frame-pointer", "-o", source[:-2], source, "-lm", "-pthread"], check=True)
        for number, (how, fields) in enumerate(cases, 1):
            name = f"perf script {how} {' '.join(fields)}"
            try:
                text = record(folder, how, fields)
            except FileNotFoundError:
                print(f"ok {number} {name} # SKIP there is no perf here")
                continue
            if not text:
                print(f"ok {number} {name} # SKIP perf may not record here")
                continue
            with open(text, encoding="utf-8") as lines:
                want = folded(lines.read())
            got = ours(osprey, text)
            same = got == want and len(want) > 3
            print(("ok" if same else "not ok") + f" {number} {name}")
            if not same:
                print(f"# missing {want - got}, too much {got - want}" if not isinstance(got, str) else f"# {got}")


main(sys.argv[1])
