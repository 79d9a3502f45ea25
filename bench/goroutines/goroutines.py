#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What listing all goroutines by stack costs: osprey, and beside it delve and gdb where they are installed, in one run.

Usage: goroutines.py OSPREY FOLDER [N...]       (FOLDER: that of this file; N: goroutines, 10000 100000 1000000)

Each line: wall and CPU seconds of the observer, its memory, and the longest gap that a heartbeat in the target saw meanwhile. The
first line of each N has the gap without an observer.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE = 240  # seconds for a peer


def measure(words, feed=None):
    """Exit status, wall and CPU seconds, peak memory in MB."""
    begin = time.monotonic()
    child = subprocess.Popen(words, stdin=subprocess.PIPE if feed else subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    if feed:
        child.stdin.write(feed.encode())
        child.stdin.close()
    while True:
        pid, status, used = os.wait4(child.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() - begin > PATIENCE:
            child.kill()
        time.sleep(0.005)
    child.returncode = status
    return status, time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main():
    osprey, here = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2])
    sizes = [int(n) for n in sys.argv[3:]] or [10000, 100000, 1000000]
    with tempfile.TemporaryDirectory() as work:
        program = os.path.join(work, "parked")
        subprocess.run(["go", "build", "-o", program, "."], cwd=here / "parked", check=True,
                       env=dict(os.environ, GOFLAGS="-mod=mod", GOTOOLCHAIN="local"))
        print(f"{'goroutines':>12}  {'observer':<22}{'wall s':>9}{'CPU s':>9}{'MB':>8}{'gap ms':>10}")
        for n in sizes:
            target = subprocess.Popen([program, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            target.stdout.readline()

            def gap():
                target.stdin.write("x")
                target.stdin.flush()
                return float(target.stdout.readline())

            time.sleep(1)
            gap()
            time.sleep(2)
            print(f"{n:>12}  {'none':<22}{'':>26}{gap():>10.1f}", flush=True)
            observers = [("osprey goroutines", [osprey, "goroutines", str(target.pid)], None),
                         ("osprey -debug 2", [osprey, "goroutines", str(target.pid), "-debug", "2"], None)]
            if shutil.which("dlv") and n <= 100000:
                observers.append(("dlv goroutines -t", ["dlv", "attach", str(target.pid), "--allow-non-terminal-interactive=true"],
                                  "goroutines -t\nexit\nn\n"))
            if shutil.which("gdb") and n <= 100000:
                observers.append(("gdb attach alone", ["gdb", "-q", "-batch", "-p", str(target.pid), "-ex", "detach"], None))
            for name, words, feed in observers:
                gap()
                status, wall, cpu, size = measure(words, feed)
                failed = "" if status == 0 else f"   status {status}"
                print(f"{'':>12}  {name:<22}{wall:>9.2f}{cpu:>9.2f}{size:>8.0f}{gap():>10.1f}{failed}", flush=True)
            target.kill()
            target.wait()


if __name__ == "__main__":
    main()
