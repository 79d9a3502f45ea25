#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey built for aarch64, and run by qemu-aarch64: cross.py SOURCE OSPREY. Prints TAP. `./dev test` has fetched what it is
built against; without that, this is skipped."""
import glob
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "differential"))

from tap import Tap  # noqa: E402


def said(command):
    run = subprocess.run(command, capture_output=True, text=True)
    return run.stdout + run.stderr


def main():
    source, osprey = sys.argv[1:3]
    root, tap = os.path.join(source, "build-aarch64-root"), Tap()
    if not os.path.exists(os.path.join(root, "packages")) or not shutil.which("aarch64-linux-gnu-gcc"):
        print("1..0 # SKIP no libraries or no compiler for aarch64: ./dev aarch64 fetches them")
        return 0
    build = subprocess.run([os.path.join(source, "dev"), "aarch64"], capture_output=True, text=True)
    tap.case("it builds", build.returncode == 0, *(build.stdout + build.stderr).splitlines()[-40:])
    if build.returncode:
        return tap.end()
    emulated = ["qemu-aarch64", "-L", root, os.path.join(source, "build-aarch64", "osprey")]
    tap.equal("it runs", said([osprey, "version"]), said([*emulated, "version"]))
    for profile in sorted(glob.glob(os.path.join(source, "tests/data/go-profiles/*.pb.gz")))[:4]:
        tap.equal(f"it says the same of {os.path.basename(profile)}", said([osprey, "pprof", "-top", profile]),
                  said([*emulated, "pprof", "-top", profile]))
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
