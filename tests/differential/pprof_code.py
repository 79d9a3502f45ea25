#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Source listings and disassembly, by go tool pprof and by osprey pprof: list must be equal bytes; of disasm all but the
text of the instructions.

    pprof_code.py OSPREY

TAP on stdout; without Go a skip with its reason.
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OWN = os.path.join(ROOT, "tests", "data", "go-profiles")
PEERS = os.path.join(ROOT, "..", "shared", "testdata", "pprof")

PATTERNS = [".", r"^main\.", r"runtime\.mallocgc$|^net", "json|Check", "nothing like this"]
FLAGS = [[], ["-noinlines"], ["-cum", "-unit=ms"], ["-mean"], ["-trim_path=/nowhere"], ["-sample_index=0", "-divide_by=3"],
         ["-focus=runtime", "-hide=gc"], ["-drop_negative"]]


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def case(self, name, why):
        """why: what is wrong, lines; none if nothing is."""
        self.n += 1
        self.failed += bool(why)
        print(f"{'not ok' if why else 'ok'} {self.n} - {name}")
        for line in why:
            print(f"#   {line}")

    def skip(self, name, why):
        self.n += 1
        print(f"ok {self.n} - {name} # SKIP {why}")

    def end(self):
        print(f"1..{self.n}")
        return self.failed > 0


def run(command, *args, cwd=None):
    env = dict(os.environ, TZ="UTC", GOTOOLCHAIN="local", PPROF_TMPDIR=tempfile.gettempdir())
    done = subprocess.run([*command, *args], env=env, cwd=cwd, capture_output=True, timeout=120)
    return done.returncode, done.stdout


def differences(want, got):
    if want == got:
        return []
    theirs, ours = want[1].decode(errors="replace").splitlines(), got[1].decode(errors="replace").splitlines()
    why = [f"{side} |{line}" for a, b in zip(theirs, ours) if a != b for side, line in (("peer  ", a), ("osprey", b))]
    return why[:6] + [f"{len(theirs)} lines and status {want[0]}, osprey {len(ours)} and {got[0]}"]


def listings(tap, osprey, peer):
    goroot = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    for i, profile in enumerate(sorted(glob.glob(os.path.join(OWN, "*.pb.gz")))):
        for k, pattern in enumerate(PATTERNS):
            flags = FLAGS[(i + k) % len(FLAGS)] + ["-source_path=" + goroot + "/src"]
            question = [*flags, "-list=" + pattern, profile]
            tap.case(f"{os.path.basename(profile)} {' '.join(question[:-1])}",
                     differences(run(peer, *question), run(osprey, *question)))


def golden_listing(tap, osprey):
    folder = os.path.join(PEERS, "report")
    if not os.path.isdir(folder):
        tap.skip("pprof's own listing", "not there: ../shared/testdata/pprof/report")
        return
    with tempfile.TemporaryDirectory() as cwd:
        os.mkdir(os.path.join(cwd, "testdata"))
        for name in ("source1", "source2"):
            shutil.copyfile(os.path.join(folder, name), os.path.join(cwd, "testdata", name))
        got = run(osprey, "-list=.", "-trim_path=/some/path", os.path.join(folder, "source.input.pb.gz"), cwd=cwd)
    with open(os.path.join(folder, "source.rpt"), "rb") as f:
        tap.case("pprof's own listing", differences((0, f.read()), got))


def main(words):
    osprey = [os.path.abspath(words[0]), "pprof"]
    tap = Tap()
    golden_listing(tap, osprey)
    if shutil.which("go"):
        listings(tap, osprey, ["go", "tool", "pprof"])
    else:
        tap.skip("the same listings as go tool pprof", "no Go here")
    return tap.end()


sys.exit(main(sys.argv[1:]))
