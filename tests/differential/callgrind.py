#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files that valgrind's callgrind writes, against an independent reading of them.

    callgrind.py OSPREY

A small C program runs under callgrind with several sets of options. Each function's own cost must be the sum of its lines,
its cost with all it calls that of the calls to it (where it does not recurse), and the total the file's own. What osprey writes
for kcachegrind is read again with the same costs. TAP on stdout.
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = r"""
#include <stdlib.h>
static int less(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int twice(int n) { return n < 2 ? n : twice(n - 1) + twice(n - 2); }
int even(int n);
int odd(int n) { return n ? even(n - 1) : 0; }
int even(int n) { return n ? odd(n - 1) : 1; }
void sorted(int n) { int *p = malloc(n * sizeof *p); for (int i = 0; i < n; i++) p[i] = i * 7919 % n; qsort(p, n, sizeof *p, less); free(p); }
void outer(void) { sorted(3000); }
int main(void) { outer(); sorted(200); return twice(12) + even(20) == 0; }
"""
SETS = [[], ["--cache-sim=yes"], ["--dump-instr=yes"], ["--compress-strings=no", "--compress-pos=no"], ["--dump-line=no"],
        ["--separate-recs=3"], ["--dump-before=outer", "--combine-dumps=yes"]]


def truth(path):
    """Of the first event: own cost by function, cost of the calls to it, total."""
    own, into, totals, number, fn, called, in_call, columns = collections.Counter(), collections.Counter(), 0, {}, "", "", False, 1

    def name(text):
        m = re.match(r"(\(\d+\))(?: (.*))?$", text)
        if not m:
            return text
        if m.group(2):
            number[m.group(1)] = m.group(2)
        return number[m.group(1)]

    for line in open(path, errors="replace"):
        line = line.rstrip("\n")
        if line.startswith("positions:"):
            columns = len(line.split()) - 1
        elif line.startswith("totals:"):
            totals += int(line.split()[1])
        elif line.startswith("fn="):
            fn = name(line[3:])
        elif line.startswith("cfn="):
            called = name(line[4:])
        elif line.startswith("calls="):
            in_call = True
        elif re.match(r"[0-9+*-]", line):
            words = line.split()
            cost = int(words[columns]) if len(words) > columns else 0
            if in_call:
                into[called] += cost
                if called == fn:
                    into[called] = -(1 << 60)  # its calls overlap
            else:
                own[fn] += cost
            in_call = False
    return own, into, totals


def top(osprey, path):
    got = subprocess.run([osprey, "pprof", "-top", "-nodecount=0", "-nodefraction=0", "-edgefraction=0", "-symbolize=none", path],
                         capture_output=True, text=True)
    total = re.search(r"of (\d+) total", got.stdout)
    rows = re.findall(r"^ *(\d+) +\S+% +\S+% +(\d+) +\S+% +(.*)$", got.stdout, re.M)
    return {n: (int(flat), int(cum)) for flat, cum, n in rows}, int(total.group(1)) if total else -1, got.stderr


def check(osprey, folder, program, options):
    path = os.path.join(folder, "out.callgrind")
    if os.path.exists(path):
        os.remove(path)
    subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={path}", *options, program], check=True,
                   capture_output=True, cwd=folder)
    own, into, total = truth(path)
    rows, shown_total, err = top(osprey, path)
    if shown_total != total or total <= 0:
        return f"total {shown_total}, the file says {total}: {err}"
    for name, cost in own.items():
        if rows.get(name, (0, 0))[0] != cost:
            return f"{name}: own cost {rows.get(name)}, the file says {cost}"
    for name in ("outer", "sorted"):
        for n in [k for k in into if k == name and not options]:
            if abs(rows[n][1] - into[n]) > 2 + into[n] // 1000:
                return f"{n}: with its calls {rows[n][1]}, the file says {into[n]}"
    again = os.path.join(folder, "again.callgrind")
    subprocess.run([osprey, "convert", path, again], check=True)
    if top(osprey, again)[1] != total:
        return f"written and read again: {top(osprey, again)[1]} of {total}"
    return ""


def pictures(osprey, folder):
    source = os.path.join(folder, "again.callgrind")
    for ending, start in (("svg", b"<svg"), ("html", b"<!DOCTYPE html>"), ("svg.gz", b"\x1f\x8b")):
        path = os.path.join(folder, "x." + ending)
        subprocess.run([osprey, "convert", source, path], check=True)
        if not open(path, "rb").read().lstrip().startswith(start):
            return f"{ending} begins with {open(path, 'rb').read(40)}"
    return ""


def main(osprey):
    if not shutil.which("valgrind") or not shutil.which("cc"):
        print("1..0 # SKIP no valgrind or no C compiler here")
        return 0
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "t")
        open(program + ".c", "w").write(SOURCE)
        subprocess.run(["cc", "-g", "-O1", "-fno-inline", "-fno-optimize-sibling-calls", "-o", program, program + ".c"], check=True)
        for i, options in enumerate(SETS, 1):
            why = check(osprey, folder, program, options)
            failed += bool(why)
            print(f"{'not ok' if why else 'ok'} {i} - callgrind {' '.join(options)}" + (f"\n# {why}" if why else ""), flush=True)
        why = pictures(osprey, folder)
        failed += bool(why)
        print(f"{'not ok' if why else 'ok'} {len(SETS) + 1} - pictures by the ending of a file" + (f"\n# {why}" if why else ""))
    print(f"1..{len(SETS) + 1}")
    return failed > 0


sys.exit(main(os.path.abspath(sys.argv[1])))
