#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ask go tool pprof and osprey pprof the same questions about the same profiles; the answers must be equal bytes.

    pprof_top.py OSPREY             every profile, each of the rarer questions to a few
    pprof_top.py OSPREY --all       every question to every profile (minutes)
    pprof_top.py OSPREY --update    write the peer's answers to tests/golden/pprof (for machines without Go)

Without Go, osprey is held against the answers in tests/golden/pprof instead. TAP on stdout.
"""
import datetime
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GOLDEN = os.path.join(ROOT, "tests", "golden", "pprof")
OWN = os.path.join(ROOT, "tests", "data", "go-profiles")
OTHERS = os.path.join(ROOT, "..", "shared", "testdata", "pprof", "driver-inputs")

# The questions put to every profile; these have goldens.
ALWAYS = [
    ["-top"],
    ["-top", "-cum"],
]
# Each of these is put to a few profiles, each time others.
SOMETIMES = [
    ["-text", "-lines"],
    ["-top", "-files", "-cum"],
    ["-top", "-filefunctions", "-noinlines"],
    ["-top", "-addresses"],
    ["-top", "-addresses", "-noinlines", "-showcolumns"],
    ["-top", "-nodecount=7"],
    ["-top", "-cum", "-nodecount=12", "-nodefraction=0.05", "-edgefraction=0.1"],
    ["-top", "-trim=false"],
    ["-top", "-sample_index=0", "-symbolize=none"],
    ["-top", "-sample_index=0", "-unit=auto", "-cum"],
    ["-top", "-unit=us", "-drop_negative"],
    ["-top", "-mean", "-lines", "-nodecount=30"],
    ["-top", "-divide_by=3.7", "-compact_labels"],
    ["-top", "-focus=runtime"],
    ["-top", "-focus=json|types", "-relative_percentages", "-cum"],
    ["-top", "-ignore=gc|malloc", "-hide=^runtime"],
    ["-top", "-show=^(net|encoding|go)", "-lines"],
    ["-top", "-show_from=main|testing", "-cum"],
    ["-top", "-prune_from=^(encoding|go/types|net)"],
]
EACH = 4


def questions(profiles, everything):
    for p in profiles:
        for flags in ALWAYS:
            yield p, flags
    for i, flags in enumerate(SOMETIMES):
        for k in range(len(profiles) if everything else min(EACH, len(profiles))):
            yield profiles[(i * EACH + k) % len(profiles)], flags


def old_time(text):
    """The header's time as pprof printed it until Go 1.21 or so, to the minute."""
    def minutes(m):
        t = datetime.datetime.strptime(m.group(1).decode(), "%Y-%m-%d %H:%M:%S")
        return f"Time: {t:%b} {t.day}, {t.year} at {t.hour % 12 or 12}:{t:%M}{'am' if t.hour < 12 else 'pm'} (UTC)".encode()

    return re.sub(rb"^Time: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$", minutes, text, flags=re.MULTILINE)


def comparable(text, flags):
    """By file, the peer puts nodes of equal names in an order that changes from run to run: compare without it."""
    if "-files" not in flags:
        return text
    rows = [line.split() for line in text.decode().splitlines()]
    return sorted(" ".join(r[:2] + r[3:]) if "%" in " ".join(r[1:3]) else " ".join(r) for r in rows)


def run(command, *args):
    env = dict(os.environ, TZ="UTC", HOME="/nonexistent", PPROF_TMPDIR=tempfile.gettempdir())
    done = subprocess.run([*command, *args], env=env, capture_output=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


def name_of(profile, flags):
    return os.path.basename(profile)[: -len(".pb.gz")] + "".join(flags)


def main(words):
    osprey = [os.path.abspath(words[0]), "pprof"]
    peer = ["go", "tool", "pprof"] if shutil.which("go") else None
    own = sorted(glob.glob(os.path.join(OWN, "*.pb.gz")))
    if "--update" in words:
        os.makedirs(GOLDEN, exist_ok=True)
        for p in own:
            for flags in ALWAYS:
                with open(os.path.join(GOLDEN, name_of(p, flags)), "wb") as f:
                    f.write(run(peer, *flags, p)[1])
        return 0
    others = sorted(glob.glob(os.path.join(OTHERS, "*.pb.gz")))
    n = failed = 0
    for p, flags in questions(own + others, "--all" in words):
        golden = os.path.join(GOLDEN, name_of(p, flags))
        if peer:
            want = run(peer, *flags, p)
        elif p in own and os.path.exists(golden):
            with open(golden, "rb") as f:
                want = 0, f.read(), b""
        else:
            continue
        if b"flag provided but not defined" in want[2]:
            n += 1
            print(f"ok {n} - {os.path.basename(p)} {' '.join(flags)} # SKIP this Go's pprof has not all of these flags")
            continue
        got = run(osprey, *flags, p)
        if re.search(rb"^Time: .* at .*m \(UTC\)$", want[1], re.MULTILINE):
            got = got[0], old_time(got[1])
        n += 1
        ok = got[0] == want[0] and comparable(got[1], flags) == comparable(want[1], flags)
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {n} - {os.path.basename(p)} {' '.join(flags)}")
        if not ok:
            theirs, ours = want[1].decode().splitlines(), got[1].decode().splitlines()
            for a, b in [(a, b) for a, b in zip(theirs, ours) if a != b][:3]:
                print(f"#   peer   |{a}\n#   osprey |{b}")
            print(f"#   {len(theirs)} lines and status {want[0]}, osprey {len(ours)} and {got[0]}")
    if not peer:
        n += 1
        print(f"ok {n} - the other questions, to go tool pprof # SKIP no Go here")
    if not others:
        n += 1
        print(f"ok {n} - pprof's own test profiles # SKIP not there: ../shared/testdata/pprof/driver-inputs")
    print(f"1..{n}")
    return failed > 0


sys.exit(main(sys.argv[1:]))
