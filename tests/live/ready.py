# SPDX-License-Identifier: Apache-2.0
"""What a live test needs before its first case; without it the test is skipped, and says why."""
import os
import pathlib
import shutil
import subprocess
import sys

TARGETS = pathlib.Path(__file__).resolve().parent.parent / "targets"


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def need_go():
    if not shutil.which("go"):
        skip_all("go is not installed")


def build_targets(folder, *names):
    need_go()
    subprocess.run(["sh", str(TARGETS / "build.sh"), str(folder), *names], check=True, stdout=subprocess.DEVNULL)


def need_bpf(osprey, *words):
    """This command must be able to watch by BPF; asked of ourselves."""
    probe = subprocess.run([osprey, *words, "-d", "0.2", str(os.getpid())], capture_output=True, text=True)
    if "without BPF" in probe.stderr or "needs" in probe.stderr:
        skip_all(probe.stderr.strip())
