#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What sampling costs, beside `perf record` and `bpftrace` in the same run.

Usage: peers.py OSPREY SOURCE_DIR [pairs [big]]        (as root; big: a program of 60 MB, made by big.py and built)

  slowdown   CPU time of fixed work with each sampler over that without, in turn; mean and 95 % bounds
  cost       the kernel's run time of osprey's BPF program a sample; CPU time of each sampler with its report; bytes a sample;
             peak memory
  machine    all processes at 19 Hz
  stop       from the end of the target's sampling to a file with names
On a machine that is shared only ratios within a pair mean something, and CPU times more than times."""
import json
import math
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 2000


def cpu_and_memory(words, work, **kw):
    """CPU seconds, peak bytes and output of a command, children included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen(words, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **kw)
    out = child.stdout.read()
    _, _, used = os.wait4(child.pid, 0)
    child.returncode = 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, used.ru_maxrss * 1024, out


class Sampler:
    """A sampler of one process for so many seconds; `report` is what makes names of it."""

    def __init__(self, name, record, report=None, file=None, count=None):
        self.name, self.record, self.report, self.file, self.count = name, record, report, file, count


def samplers(osprey, hz):
    made = [Sampler("osprey", lambda pid, s: [osprey, "record", *pid, "-d", str(s), "-F", str(hz), "-o", "o.pb.gz", "--json"],
                    file="o.pb.gz", count=lambda out, work: json.loads(out)["samples"])]
    if shutil.which("perf"):
        def counted(out, work):
            text = subprocess.run(["perf", "report", "-i", "perf.data", "--header-only", "--stats"], cwd=work, capture_output=True,
                                  text=True).stdout
            found = re.search(r"SAMPLE events: *(\d+)", text)
            return int(found[1]) if found else 0
        made.append(Sampler("perf record -g", lambda pid, s: ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(hz), "-g", "-o",
                            "perf.data", *(["-p", *pid] if pid[0] != "--all" else ["-a"]), "--", "sleep", str(s)],
                            ["perf", "report", "-i", "perf.data", "--stdio", "--no-children"], "perf.data", counted))
    if shutil.which("bpftrace"):
        def script(pid, s):
            only = "" if pid[0] == "--all" else f"/pid == {pid[0]}/ "
            return ["bpftrace", "-e", f"profile:hz:{hz} {only}{{ @[ustack, kstack] = count(); }} interval:s:{s} {{ exit(); }}"]
        made.append(Sampler("bpftrace profile", script))
    return made


def fixed_work(fixed, sampler, work):
    """CPU nanoseconds that the work took."""
    child = subprocess.Popen([fixed, "-rounds", str(ROUNDS)], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    beside = None
    if sampler:
        beside = subprocess.Popen(sampler.record([str(child.pid)], 600), cwd=work, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
    took = int(re.search(r"cpu_ns=(\d+)", child.communicate()[0])[1])
    if beside:
        beside.send_signal(signal.SIGINT)
        beside.wait()
    return took


def slowdown(osprey, fixed, work, pairs):
    for hz in (99, 999):
        all_of = samplers(osprey, hz)
        ratio = {s.name: [] for s in all_of}
        for i in range(pairs):
            for s in all_of:
                both = {}
                for one in ((None, s) if i % 2 else (s, None)):
                    both[one] = fixed_work(fixed, one, work)
                ratio[s.name].append(both[s] / both[None] - 1)
        for name, found in ratio.items():
            mean, se = statistics.mean(found), statistics.stdev(found) / math.sqrt(len(found))
            print(f"slowdown at {hz:4} Hz  {name:18} mean {mean:+.2%}  95 % from {mean - 2.1 * se:+.2%} to {mean + 2.1 * se:+.2%}  "
                  f"median {statistics.median(found):+.2%}  ({pairs} pairs)", flush=True)


def costs(osprey, fixed, work, hz, seconds, pid=None):
    child = subprocess.Popen([fixed, "-seconds", str(seconds * 4 + 30)], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    of = pid or [str(child.pid)]
    osprey_cpu = None
    for s in samplers(osprey, hz):
        for f in ("o.pb.gz", "perf.data"):
            if os.path.exists(os.path.join(work, f)):
                os.unlink(os.path.join(work, f))
        cpu, peak, out = cpu_and_memory(s.record(of, seconds), work)
        samples = s.count(out, work) if s.count else 0
        size = os.path.getsize(os.path.join(work, s.file)) if s.file else 0
        if s.report:
            more, peak2, _ = cpu_and_memory(s.report, work)
            cpu, peak = cpu + more, max(peak, peak2)
        line = f"{'machine' if pid else 'one process':12} {hz:4} Hz {s.name:18} {cpu:6.2f} s CPU in {seconds} s, report included ({cpu / seconds:.2%} of a core)  peak {peak / 1e6:.0f} MB"
        if samples:
            line += f"  {samples} samples, {size / samples:.0f} bytes each"
        if s.name == "osprey":
            told = json.loads(out)
            osprey_cpu = cpu
            line += (f"  BPF {told['bpf_run_ns'] / 1e9 / seconds:.3%} of a core, {told['bpf_run_ns'] / 1e3 / max(told['samples'], 1):.1f} us "
                     f"a sample; {told['complete'] / max(told['samples'], 1):.2%} complete")
        elif osprey_cpu:
            line += f"  ({cpu / osprey_cpu:.1f} x osprey's CPU)"
        print(line, flush=True)
    child.kill()
    child.wait()


def stop(osprey, big, work):
    """From the signal that ends the sampling to the file."""
    child = subprocess.Popen([big], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
    took, cpu = [], []
    for _ in range(3):
        sampler = subprocess.Popen([osprey, "record", str(child.pid), "-d", "600", "-F", "199", "-o", "big.pb.gz", "--json"], cwd=work,
                                   stdout=subprocess.PIPE, text=True)
        time.sleep(8)
        ticks = [int(x) for x in open(f"/proc/{sampler.pid}/stat").read().rsplit(")", 1)[1].split()[11:13]]
        begin = time.monotonic()
        sampler.send_signal(signal.SIGINT)
        out = sampler.stdout.read()
        took.append(time.monotonic() - begin)
        _, _, used = os.wait4(sampler.pid, 0)
        cpu.append(used.ru_utime + used.ru_stime - sum(ticks) / os.sysconf("SC_CLK_TCK"))
        sampler.returncode = 0
        told = json.loads(out)
    child.kill()
    child.wait()
    print(f"stop: {os.path.getsize(big) / 1e6:.0f} MB program, {told['samples']} samples, {told['addresses']} addresses, "
          f"{told['unsymbolised']} without a name: file after {min(took):.2f}-{max(took):.2f} s, CPU {min(cpu):.2f}-{max(cpu):.2f} s; "
          f"peak {used.ru_maxrss / 1e3:.0f} MB", flush=True)


def main():
    osprey, source = os.path.abspath(sys.argv[1]), sys.argv[2]
    pairs = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    with tempfile.TemporaryDirectory() as work:
        fixed = os.path.join(work, "fixed")
        subprocess.run(["go", "build", "-o", fixed, "."], cwd=os.path.join(source, "fixed"), check=True)
        costs(osprey, fixed, work, 99, 20)
        costs(osprey, fixed, work, 999, 20)
        costs(osprey, fixed, work, 19, 30, ["--all"])
        if len(sys.argv) > 4:
            stop(osprey, os.path.abspath(sys.argv[4]), work)
        if pairs:
            slowdown(osprey, fixed, work, pairs)


if __name__ == "__main__":
    main()
