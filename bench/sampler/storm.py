#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What events cost a program in a storm of them: fixed work, alone and watched in turn, beside the peers.

Usage: storm.py OSPREY SOURCE_DIR [rounds [handovers [work_ns]]]        (as root, or with CAP_BPF and CAP_PERFMON)

The program hands a byte from thread to thread: a read, a write and two switches a time. Printed: switches a second, CPU time of the
program against that of the runs alone in the same rounds (mean, and the 95 % upper bound), and what the kernel's statistics say
BPF took. A tool's own CPU time is not in it: on a machine with more than one CPU it runs beside."""
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile


def main():
    osprey, source = os.path.abspath(sys.argv[1]), sys.argv[2]
    rounds, handovers, work = [int(a) for a in (sys.argv[3:] + ["5", "60000", "14000"][len(sys.argv[3:]):])]
    with tempfile.TemporaryDirectory() as folder:
        storm = os.path.join(folder, "storm")
        subprocess.run(["cc", "-O2", "-o", storm, os.path.join(source, "storm.c"), "-lpthread"], check=True)
        out = os.path.join(folder, "out")
        program = [storm, str(handovers), str(work), "300"]
        tools = {
            "alone": [],
            "record -e cpu": [osprey, "record", "-F", "99", "-o", out + ".pb.gz", "--json", "--"],
            "record -e off-cpu": [osprey, "record", "-e", "off-cpu", "-o", out + ".pb.gz", "--json", "--"],
            "record -e wall,wakeups": [osprey, "record", "-e", "wall,wakeups", "-o", out + ".pb.gz", "--json", "--"],
            "syscalls": [osprey, "syscalls", "--json", "--"],
        }
        if shutil.which("perf"):
            tools["perf trace -s"] = ["perf", "trace", "-s", "-o", "/dev/null", "--"]
            tools["perf sched record"] = ["perf", "sched", "record", "-o", out + ".data", "--"]
        if shutil.which("strace"):
            tools["strace -c -f"] = ["strace", "-c", "-f", "-o", "/dev/null"]
        cpu, rate, bpf = {t: [] for t in tools}, [], {}
        for _ in range(rounds):
            for tool, words in tools.items():
                done = subprocess.run(words + program, capture_output=True, text=True)
                line = [l for l in (done.stdout + done.stderr).splitlines() if l.startswith("done ")]
                if not line:
                    print(f"{tool}: {done.stderr.strip()[:200]}", file=sys.stderr)
                    continue
                wall, own, switches = map(int, line[0].split()[1:])
                cpu[tool].append(own)
                if tool == "alone":
                    rate.append(switches / (wall / 1e9))
                elif words[0] == osprey:
                    said = json.loads("{\n" + done.stdout.partition("\n{\n")[2])
                    bpf.setdefault(tool, []).append(said["bpf_run_ns"] / own)
        print(f"{statistics.median(rate):,.0f} switches a second alone; {handovers} hand-overs, {rounds} rounds")
        print(f"{'':26}{'CPU time':>10}{'95 % upper':>12}{'of it BPF':>11}")
        for tool in tools:
            ratio = [a / b for a, b in zip(cpu[tool], cpu["alone"])]
            if tool == "alone" or not ratio:
                continue
            mean = statistics.mean(ratio)
            upper = mean + 1.96 * (statistics.stdev(ratio) if len(ratio) > 1 else math.nan) / math.sqrt(len(ratio))
            took = f"{statistics.mean(bpf[tool]):>10.1%}" if tool in bpf else ""
            print(f"{tool:26}{mean - 1:>+10.1%}{upper - 1:>+12.1%} {took}")


if __name__ == "__main__":
    sys.exit(main())
