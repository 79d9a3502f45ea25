#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the sampler sees and what it costs, against the truth and against Go's own profile of the same run.

Usage: sampler.py OSPREY SOURCE_DIR [seconds [pairs]]        (as root, or with CAP_BPF and CAP_PERFMON)

  stacks     share of samples complete to the root with the Go caller chain; C's share against the truth
  cost       BPF run time (the kernel's statistics) and osprey's CPU, as a share of one core; memory
  slowdown   fixed work in alternating pairs, with and without sampling at 99 Hz; mean and 95 % upper bound
"""
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/live"))
import stacks  # noqa: E402

CHAIN = ["main.main", "main.transcode", "runtime.cgocall", "runtime.asmcgocall", "decode", "decode_frame", "decode_block"]


def run(*words, **kw):
    return subprocess.run(words, check=True, capture_output=True, text=True, **kw).stdout


def start(program, *words):
    child = subprocess.Popen([program, *words], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()  # "ready PID"
    return child


def main():
    osprey, source = os.path.abspath(sys.argv[1]), sys.argv[2]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10
    pairs = int(sys.argv[4]) if len(sys.argv) > 4 else 20
    with tempfile.TemporaryDirectory() as work:
        fixed = os.path.join(work, "fixed")
        subprocess.run(["go", "build", "-o", fixed, "."], cwd=os.path.join(source, "fixed"), check=True)
        own, ours = os.path.join(work, "go.pb.gz"), os.path.join(work, "osprey.pb.gz")

        child = start(fixed, "-seconds", str(seconds + 1.5), "-cpuprofile", own)
        summary = json.loads(run(osprey, "record", str(child.pid), "-d", str(seconds), "-F", "99", "-o", ours, "--json"))
        truth = float(re.search(r"c=([\d.]+)", child.communicate()[0])[1])

        print(f"{'':34}{'truth':>9}{'osprey':>9}{'go tool pprof':>15}")
        mine, peer = stacks.read(ours), stacks.read(own)
        rows = [
            ("share of the C function", lambda s: "decode_block" in s.frames, truth),
            ("C samples with the whole chain", None, 1),
            ("samples of an unknown place", 
             lambda s: "_ExternalCode" in str(s.frames) or "+0x" in s.frames[0] or s.frames[0].startswith("0x"), 0),
        ]
        for name, test, want in rows:
            if test is None:
                got = []
                for profile in (mine, peer):
                    in_c = [s for s in profile if "main.transcode" in s.frames or "decode_block" in s.frames]
                    got.append(stacks.share(in_c, lambda s: s.has(*CHAIN)))
            else:
                got = [stacks.share(profile, test) for profile in (mine, peer)]
            print(f"{name:34}{want:>9.1%}{got[0]:>9.1%}{got[1]:>15.1%}")
        taken = summary["samples"]
        print(f"{'stacks complete to the root':34}{1:>9.1%}{summary['complete'] / taken:>9.1%}{'':>15}")
        print(f"{'samples (lost)':34}{'':>9}{taken:>5} ({summary['lost']}){sum(s.value for s in peer):>15}")

        seconds = max(seconds, 30)  # the default of `osprey record`
        child = start(fixed, "-seconds", str(seconds + 1.5))
        cost = json.loads(run(osprey, "record", str(child.pid), "-d", str(seconds), "-F", "99", "-o", ours, "--json"))
        child.communicate()
        bpf, own = cost["bpf_run_ns"] / 1e9 / seconds, cost["own_cpu_ns"] / 1e9 / seconds
        print(f"\ncost at 99 Hz over {seconds:.0f} s: BPF {bpf:.3%} of a core "
              f"({cost['bpf_run_ns'] / max(cost['bpf_runs'], 1) / 1e3:.1f} us a sample), osprey {own:.3%}, start and symbols "
              f"included; together {bpf + own:.3%}; {cost['own_peak_bytes'] / 1e6:.0f} MB")

        ratio = []
        for i in range(pairs):
            times = {}
            for sampled in ((False, True) if i % 2 else (True, False)):
                child = subprocess.Popen([fixed, "-rounds", "1500"], stdout=subprocess.PIPE, text=True)
                child.stdout.readline()
                sampler = None
                if sampled:
                    sampler = subprocess.Popen([osprey, "record", str(child.pid), "-d", "60", "-F", "99", "-o", ours],
                                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                times[sampled] = int(re.search(r"cpu_ns=(\d+)", child.communicate()[0])[1])
                if sampler:
                    sampler.wait()
            ratio.append(times[True] / times[False] - 1)
        mean, se = statistics.mean(ratio), statistics.stdev(ratio) / math.sqrt(len(ratio))
        print(f"slowdown at 99 Hz, CPU time of fixed work, {pairs} alternating pairs: mean {mean:+.2%}, "
              f"95 % upper bound {mean + 1.73 * se:+.2%} (median {statistics.median(ratio):+.2%})")


if __name__ == "__main__":
    main()
