#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey reads perf.data without perf; `perf script` reads the same file. Compared are, for each stack, the frames of the
program that was sampled (their order and recursion) and the sum of periods; what libraries and the kernel are called differs:
perf takes symbols, osprey what DWARF says (msort_with_tmp, not msort_with_tmp.part.0).

Usage: perf_data.py OSPREY. Records a program of its own; skipped where perf cannot. Prints TAP.
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

PROGRAM = r"""
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#define OWN __attribute__((noinline))
OWN double own_leaf(double x) { for (int i = 0; i < 9999; i++) x = x * 1.0001 + 1; return x; }
OWN double own_sine(double x) { for (int i = 0; i < 999; i++) x += sin(x); return x; }
OWN double own_deep(int n, double x) { return n ? own_deep(n - 1, x) + 1 : own_leaf(x) + own_sine(x); }
OWN double own_work(void) { double x = 1; for (int i = 0; i < 3000; i++) x += own_deep(i % 9, x); return x; }
static OWN void *own_thread(void *p) { *(double *)p = own_work(); return p; }
int main(void)
{
    pthread_t t;
    double a, b;
    if (fork() == 0) { b = own_work(); _exit(b > 0); }
    pthread_create(&t, 0, own_thread, &a);
    b = own_work();
    pthread_join(t, 0);
    wait(0);
    return a > b;
}
"""


SCRIPT = r"""
function own_leaf(x) { for (let i = 0; i < 99999; i++) x = x * 1.0001 + 1; return x; }
function own_deep(n, x) { return n ? own_deep(n - 1, x) + 1 : own_leaf(x); }
let x = 0;
for (let i = 0; i < 9000; i++) x += own_deep(i % 9, i);
"""


def own_frames(names):
    """Of Node's names what stands before the place: "LazyCompile:~own_leaf /x/own.js:2:18", or "JS:*own_leaf …"."""
    js = (re.sub(r"^[A-Za-z]+:[*~^+']*(own_\w+) .*$", r"\1", n) for n in names)
    return ";".join(n for n in js if n.startswith("own_"))


def perf_script(data):
    """{own frames, root first: weight} of every event, and the number of samples."""
    text = subprocess.run(["perf", "script", "-i", data, "-F", "comm,tid,time,period,event,ip,sym,dso"],
                          capture_output=True, text=True, check=False).stdout
    stacks, names, weight = collections.Counter(), None, 0
    for line in text.splitlines() + [""]:
        head = re.match(r"\s*\S.*?\s\d+\s+[\d.]+:\s+(\d+)\s+\S+:(\s.*)?$", line)
        frame = re.match(r"\s+[0-9a-f]+ (.*) \((.*?)\)$", head.group(2) or "" if head else line)
        if head:
            names, weight = [], int(head.group(1))
        if head and frame:  # no call chain: the frame is on the line
            stacks[own_frames([re.sub(r"\+0x[0-9a-f]+$", "", frame.group(1))])] += weight
            names = None
        elif frame and names is not None:
            names.append(re.sub(r"\+0x[0-9a-f]+$", "", frame.group(1)))
        elif not line and names is not None:
            stacks[own_frames(reversed(names))] += weight
            names = None
    return stacks


def pids_of(data):
    text = subprocess.run(["perf", "script", "-i", data, "-F", "pid"], capture_output=True, text=True, check=False).stdout
    return set(text.split())


def ours(osprey, data):
    out = subprocess.run([osprey, "convert", "-f", "folded", data, "-"], capture_output=True, text=True, check=False)
    stacks = collections.Counter()
    for line in out.stdout.splitlines():
        stack, n = line.rsplit(" ", 1)
        stacks[own_frames(stack.split(";"))] += int(n)
    return stacks, out.stderr


def main(osprey):
    cases = {
        "frame pointers": ["-g"],
        "copied stacks": ["--call-graph", "dwarf,16384"],
        "packed": ["-z", "-g"],
        "no stacks": [],
        "two events": ["-g", "-e", "task-clock"],
        "a pipe": ["-g"],
        "build ids with the mappings": ["-g", "--buildid-mmap"],
        "code that Node compiled": ["-g"],
    }
    print(f"1..{len(cases)}")
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "program")
        with open(program + ".c", "w", encoding="utf-8") as out:
            out.write(PROGRAM)
        subprocess.run(["gcc", "-O1", "-g", "-fno-omit-frame-pointer", "-o", program, program + ".c", "-lm", "-pthread"],
                       check=True)
        for number, (name, words) in enumerate(cases.items(), 1):
            data = os.path.join(folder, f"{number}.data")
            command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "499", *words]
            run = [program]
            if name == "code that Node compiled":
                if not shutil.which("node"):
                    print(f"ok {number} {name} # SKIP there is no node here")
                    continue
                script = os.path.join(folder, "own.js")
                with open(script, "w", encoding="utf-8") as out:
                    out.write(SCRIPT)
                run = ["node", "--perf-basic-prof", "--interpreted-frames-native-stack", script]
            try:
                if name == "a pipe":
                    with open(data, "wb") as out:
                        done = subprocess.run([*command, "-o", "-", *run], stdout=out, stderr=subprocess.PIPE, check=False)
                else:
                    done = subprocess.run([*command, "-o", data, *run], capture_output=True, check=False)
            except FileNotFoundError:
                print(f"ok {number} {name} # SKIP there is no perf here")
                continue
            want = perf_script(data) if os.path.exists(data) else None
            if not want:
                print(f"ok {number} {name} # SKIP perf may not record this here: {done.stderr.decode()[:80].strip()!r}")
                continue
            if name == "two events":  # the folded form holds the first alone
                want = collections.Counter(want)
            got, said = ours(osprey, data)
            if name == "code that Node compiled":
                for pid in pids_of(data):
                    try:
                        os.unlink(f"/tmp/perf-{pid}.map")
                    except FileNotFoundError:
                        pass
            total, same = sum(want.values()), sum((want & got).values())
            if name == "two events":
                ok = same > 0.4 * total
            else:  # a stack that one of the two unwinds further is its own reason
                ok = sum(got.values()) == total and same > 0.97 * total
            print(("ok" if ok else "not ok") + f" {number} {name}: {100 * same / total:.2f} % of {total} alike")
            if not ok:
                print(f"# {said.strip()}\n# missing {(want - got).most_common(5)}\n# too much {(got - want).most_common(5)}")


main(sys.argv[1])
