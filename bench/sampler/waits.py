#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `record -e wait` costs and how near it comes, on a program that measures its own waits.

Usage: waits.py OSPREY FOLDER [seconds]        (as root; FOLDER keeps the built program of tests/targets/waits)

  cost    CPU time of a look and of a second, by the number of goroutines
  error   of each kind of wait against the program's own clock, in standard errors; their root mean square should be near 1
"""
import collections
import math
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "../../tests/live"))
import test_waits  # noqa: E402


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10
    subprocess.run(["sh", str(HERE / "../../tests/targets/build.sh"), str(folder), "waits"], check=True,
                   stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as work:
        print(f"{'goroutines':>12}{'CPU ms a look':>16}{'longest':>10}{'CPU ms a second':>18}{'stacks read':>13}{'torn':>8}")
        errors = collections.defaultdict(list)
        for parked in (0, 1000, 10000, 100000):
            target = test_waits.Target([str(folder / "waits"), "-parked", str(parked)])
            try:
                at, before = target.ask()
                said, found = test_waits.record(osprey, target.child.pid, work, seconds=seconds)
                until, after = target.ask()
            finally:
                target.stop()
            wait = said["wait"]
            whole = wait["duration_ns"] / 1e9
            print(f"{wait['goroutines_listed']:>12}{wait['cpu_ns'] / 1e6 / wait['looks']:>16.2f}"
                  f"{wait['slowest_look_ns'] / 1e6:>10.2f}{wait['cpu_ns'] / 1e6 / whole:>18.2f}"
                  f"{wait['stacks_read'] / wait['goroutines_looked_at']:>13.1%}"
                  f"{wait['torn'] / wait['goroutines_looked_at']:>8.2%}", flush=True)
            if parked > 1000:
                continue
            for goid, (kind, ns) in after.items():
                share = (ns - before[goid][1]) / (until - at)
                shown = sum(s.value for s in found
                            if s.labels.get("goroutine") == goid and "main.wait" + kind in s.frames) / 1e9
                error = math.sqrt(share * (1 - share) / wait["looks"])
                errors[kind].append((share, shown / whole, error))
        print(f"\n{'kind of wait':>12}{'true share':>16}{'shown':>10}{'standard error':>18}{'off by':>13}")
        off = []
        for kind, rows in sorted(errors.items()):
            for share, shown, error in rows:
                off.append((shown - share) / error)
                print(f"{kind:>12}{share:>16.3f}{shown:>10.3f}{error:>18.3f}{off[-1]:>11.1f} σ")
        print(f"root mean square {math.sqrt(sum(x * x for x in off) / len(off)):.2f} σ")


if __name__ == "__main__":
    main()
