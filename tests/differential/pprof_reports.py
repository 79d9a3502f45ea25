#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ask go tool pprof and osprey pprof the same questions about the same profiles; the answers must be equal bytes.

    pprof_reports.py OSPREY                    every report on every profile, each of the rarer questions to a few,
                                               some made up by chance, and the peer's own goldens where they are
    pprof_reports.py OSPREY --all              every question to every profile (many minutes)
    pprof_reports.py OSPREY --random N [SEED]  N made-up questions and nothing else
    pprof_reports.py OSPREY --update           write the peer's answers to tests/golden/pprof (for machines without Go)

Without Go, osprey is held against the answers in tests/golden/pprof instead. TAP on stdout.
"""
import csv
import datetime
import glob
import gzip
import os
import random
import re
import sys

import peer
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
GOLDEN = os.path.join(ROOT, "tests", "golden", "pprof")
OWN = os.path.join(ROOT, "tests", "data", "go-profiles")
PEERS = os.path.join(ROOT, "..", "shared", "testdata", "pprof")
OTHERS = os.path.join(PEERS, "driver-inputs")

# What osprey can be asked for: a report, its flag.
REPORTS = {"top": "-top", "tree": "-tree", "peek": "-peek=.", "traces": "-traces", "tags": "-tags", "comments": "-comments",
           "raw": "-raw", "callgrind": "-callgrind", "proto": "-proto", "topproto": "-topproto", "dot": "-dot"}

# The questions put to every profile that have goldens.
KEPT = [
    ["-top"],
    ["-top", "-cum"],
]
# Each of these is put to a few profiles, each time others; the report is one that follows from the place in the list.
SOMETIMES = [
    ["-lines"],
    ["-files", "-cum"],
    ["-filefunctions", "-noinlines"],
    ["-addresses"],
    ["-addresses", "-noinlines", "-showcolumns"],
    ["-nodecount=7"],
    ["-cum", "-nodecount=12", "-nodefraction=0.05", "-edgefraction=0.1"],
    ["-trim=false"],
    ["-sample_index=0", "-symbolize=none"],
    ["-sample_index=0", "-unit=auto", "-cum"],
    ["-unit=us", "-drop_negative"],
    ["-mean", "-lines", "-nodecount=30"],
    ["-divide_by=3.7", "-compact_labels"],
    ["-focus=runtime"],
    ["-focus=json|types", "-relative_percentages", "-cum"],
    ["-ignore=gc|malloc", "-hide=^runtime"],
    ["-show=^(net|encoding|go)", "-lines"],
    ["-show_from=main|testing", "-cum"],
    ["-prune_from=^(encoding|go/types|net)"],
]
EACH = 6
AGAIN = 5

# What a made-up question is made of: one of each row at most.
CHOICES = [
    ["-lines", "-files", "-functions", "-filefunctions", "-addresses"],
    ["-cum", "-flat"],
    ["-nodecount=5", "-nodecount=40", "-nodecount=0", "-nodecount=200"],
    ["-nodefraction=0", "-nodefraction=0.02", "-nodefraction=0.3"],
    ["-edgefraction=0", "-edgefraction=0.05", "-edgefraction=0.5"],
    ["-trim=false"],
    ["-noinlines"],
    ["-showcolumns"],
    ["-sample_index=0", "-sample_index=1", "-mean"],
    ["-unit=auto", "-unit=ms", "-unit=kb", "-unit=count", "-unit=nonsense"],
    ["-divide_by=2", "-divide_by=0.01", "-divide_by=-1", "-divide_by=1000"],
    ["-focus=runtime", "-focus=json", "-focus=^$", "-focus=main|http", "-focus=go$"],
    ["-ignore=malloc", "-ignore=runtime", "-ignore=test"],
    ["-hide=^runtime", "-hide=go$", "-hide=x"],
    ["-show=[a-m]", "-show=runtime|json", "-show=\\.go"],
    ["-show_from=main", "-show_from=test|serve"],
    ["-prune_from=json", "-prune_from=runtime\\..*"],
    ["-relative_percentages"],
    ["-drop_negative"],
    ["-compact_labels"],
    ["-trim_path=/usr/local/go", "-trim_path=/a:/usr"],
    ["-source_path=/x/src", "-source_path=/y/runtime"],
    ["-tagfocus=bytes=16:64kb", "-tagfocus=a", "-tagfocus=1kb:", "-tagfocus=tenant=.*"],
    ["-tagignore=bytes=:512b", "-tagignore=b", "-tagignore=route=/"],
    ["-tagshow=e", "-tagshow=bytes"],
    ["-taghide=t", "-taghide=x"],
    ["-tagroot=route", "-tagroot=bytes,tenant", "-tagleaf=bytes", "-tagleaf=tenant"],
]


def questions(profiles, everything):
    for p in profiles:
        for flags in KEPT:
            yield p, flags
        for flag in REPORTS.values():
            if flag != "-top":
                yield p, [flag]
    flags_of = list(REPORTS.values())
    for i, flags in enumerate(SOMETIMES):
        for k in range(len(profiles) if everything else min(EACH, len(profiles))):
            for flag in flags_of if everything else [flags_of[(i + k) % len(flags_of)]]:
                yield profiles[(i * EACH + k) % len(profiles)], [flag, *flags]


def made_up(profiles, count, r):
    for _ in range(count):
        flags = [r.choice(row) for row in CHOICES if r.random() < 0.13]
        report = r.choice(list(REPORTS.values()))
        if report.startswith("-peek"):
            report = "-peek=" + r.choice([".", "a", "json", "main", "nothing at all"])
        yield r.choice(profiles), [report, *flags]


def peers_goldens():
    """(profile, flags, answer) of what the peer keeps for itself and its own command line reproduces."""
    table = os.path.join(PEERS, "driver-goldens.tsv")
    if not os.path.exists(table):
        return
    common = ["-symbolize=none", "-compact_labels", "-nodecount=20", "-nodefraction=0.05", "-edgefraction=0.01",
              "-divide_by=1", "-unit=minimum"]
    with open(table, encoding="utf-8") as lines:
        for name, words, golden, reproduced in list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]:
            words = words.split()
            report = words[0].lstrip("-").split("=")[0].replace("text", "top")
            own = {w.split("=")[0] for w in words}
            flags = words + [c for c in common if c.split("=")[0] not in own]
            if reproduced == "yes" and report in REPORTS:
                with open(os.path.join(PEERS, "driver", golden), "rb") as f:
                    yield os.path.join(OTHERS, name + ".pb.gz"), flags, f.read()


def old_time(text):
    """The header's time as pprof printed it until Go 1.21 or so, to the minute."""
    def minutes(m):
        t = datetime.datetime.strptime(m.group(1).decode(), "%Y-%m-%d %H:%M:%S")
        return f"Time: {t:%b} {t.day}, {t.year} at {t.hour % 12 or 12}:{t:%M}{'am' if t.hour < 12 else 'pm'} (UTC)".encode()

    return re.sub(rb"^Time: (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$", minutes, text, flags=re.MULTILINE)


def unpacked(answer):
    return gzip.decompress(answer) if answer[:2] == b"\x1f\x8b" else answer


def without_order(text):
    """By file, the peer puts nodes of equal names in an order that changes from run to run: compare without it, and
    without the running sum."""
    rows = [line.split() for line in text.decode(errors="replace").splitlines()]
    return sorted(" ".join(r[:2] + r[3:]) if "%" in " ".join(r[1:3]) else " ".join(r) for r in rows)


def equal(a, b, flags):
    a, b = unpacked(a), unpacked(b)
    return a == b or ("-files" in flags and without_order(a) == without_order(b))


def name_of(profile, flags):
    return os.path.basename(profile)[: -len(".pb.gz")] + "".join(flags)


def compare(tap, profile, flags, want, got, again=None):
    """want, got: status, stdout, stderr; again() asks the peer once more, whose order of equal nodes changes from run to run."""
    name = f"{os.path.basename(profile)} {' '.join(flags)}"
    if b"flag provided but not defined" in want[2]:
        tap.skip(name, "this Go's pprof has not all of these flags")
        return
    if re.search(rb"^Time: .* at .*m \(UTC\)$", want[1], re.MULTILINE):
        got = got[0], old_time(got[1]), got[2]

    def same(want):
        return got[0] == want[0] and equal(got[1], want[1], flags)

    ok = same(want)
    if not ok and again:
        others = [again() for _ in range(AGAIN)]
        ok = any(map(same, others))
        if not ok and any(other[1] != want[1] for other in others):
            tap.skip(name, "the peer contradicts itself")
            return
    tap.case(name, ok, *peer.differences(*((a[0], unpacked(a[1])) for a in (want, got))))


def main(words):
    osprey = [os.path.abspath(words[0]), "pprof"]
    command, why = peer.find()
    own = sorted(glob.glob(os.path.join(OWN, "*.pb.gz")))
    if "--update" in words:
        os.makedirs(GOLDEN, exist_ok=True)
        for p in own:
            for flags in KEPT:
                with open(os.path.join(GOLDEN, name_of(p, flags)), "wb") as f:
                    f.write(peer.ask(command, *flags, p)[1])
        return 0
    others = sorted(glob.glob(os.path.join(OTHERS, "*.pb.gz")))
    seed = int(words[3]) if len(words) > 3 else random.randrange(1 << 31)
    if "--random" in words:
        asked = made_up(own + others, int(words[2]), random.Random(seed))
    else:
        asked = [*questions(own + others, "--all" in words), *made_up(own + others, 40, random.Random(seed))]
    print(f"# made-up questions: --random N {seed}")
    tap = Tap()
    for p, flags in asked:
        golden = os.path.join(GOLDEN, name_of(p, flags))
        if command:
            want = peer.ask(command, *flags, p)
        elif p in own and os.path.exists(golden):
            with open(golden, "rb") as f:
                want = 0, f.read(), b""
        else:
            continue
        compare(tap, p, flags, want, peer.ask(osprey, *flags, p), (lambda: peer.ask(command, *flags, p)) if command else None)
    for p, flags, want in peers_goldens():
        compare(tap, p, flags, (0, want, b""), peer.ask(osprey, *flags, p))
    if not command:
        tap.skip("the other questions, to go tool pprof", why)
    if not others:
        tap.skip("pprof's own test profiles and goldens", "not there: ../shared/testdata/pprof")
    return tap.end()


sys.exit(main(sys.argv[1:]))
