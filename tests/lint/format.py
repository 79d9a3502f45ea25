#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every C and C++ file is as clang-format has it. Releases of clang-format differ, so only the one that the house uses is
asked. `./dev format` mends what it finds.

Usage: format.py REPOSITORY. Prints TAP.
"""
import re
import shutil
import subprocess
import sys

RELEASE = "14"  # Debian 12's


def tool():
    for name in ("clang-format-" + RELEASE, "clang-format"):
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True, check=False).stdout
            if re.search(rf"version {RELEASE}\.", version):
                return name
    return None


def main(root):
    print("1..1")
    if not tool():
        print(f"ok 1 - the format of all files # SKIP no clang-format {RELEASE} here")
        return 0
    listed = subprocess.run(["git", "-C", root, "ls-files", "*.c", "*.h", "*.cc"], capture_output=True, text=True, check=False)
    if listed.returncode or not listed.stdout:
        print("ok 1 - the format of all files # SKIP git does not list them")
        return 0
    done = subprocess.run([tool(), "--dry-run", "--Werror", *listed.stdout.split()], cwd=root, capture_output=True, text=True,
                          check=False)
    wrong = sorted(set(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.MULTILINE)))
    print("not ok" if wrong else "ok", "1 - the format of all files")
    for name in wrong:
        print(f"# {name}: ./dev format --all")
    return len(wrong) > 0


sys.exit(main(sys.argv[1]))
