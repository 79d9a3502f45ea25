#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Call graphs of go tool pprof and osprey pprof as DOT text; they must be equal bytes.

    pprof_dot.py OSPREY             every profile, as graph and as tree, and forty random questions
    pprof_dot.py OSPREY N [SEED]    N random questions alone

Where the peer's answer changes from run to run (it breaks ties by the order of a hash table), ours must be one of them
but for the numbering of nodes; where even the choice of nodes changes, the legend and the number of nodes must agree.
TAP on stdout.
"""
import glob
import os
import random
import re
import sys

import peer
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OWN = os.path.join(ROOT, "tests", "data", "go-profiles")
OTHERS = os.path.join(ROOT, "..", "shared", "testdata", "pprof", "driver-inputs")

# Of each line at most one, with this chance.
CHOICES = [
    (0.5, ["-functions", "-filefunctions", "-lines", "-addresses", "-files"]),
    (0.2, ["-noinlines"]),
    (0.3, ["-call_tree"]),
    (0.2, ["-mean"]),
    (0.2, ["-cum"]),
    (0.2, ["-unit=auto", "-unit=us", "-unit=kb", "-unit=seconds"]),
    (0.4, ["-nodecount=0", "-nodecount=5", "-nodecount=20", "-nodecount=40", "-nodecount=300"]),
    (0.3, ["-nodefraction=0.05", "-nodefraction=0", "-nodefraction=0.001"]),
    (0.3, ["-edgefraction=0.05", "-edgefraction=0"]),
    (0.1, ["-trim=false"]),
    (0.2, ["-focus=runtime", "-focus=json|types", "-focus=http"]),
    (0.2, ["-ignore=gc|malloc"]),
    (0.1, ["-hide=^runtime"]),
    (0.1, ["-show_from=main|testing"]),
    (0.1, ["-prune_from=^(encoding|go/types|net)"]),
    (0.2, ["-sample_index=0", "-sample_index=1"]),
    (0.1, ["-showcolumns"]),
    (0.1, ["-drop_negative"]),
    (0.1, ["-divide_by=3.7"]),
    (0.1, ["-relative_percentages"]),
    (0.05, ["-compact_labels"]),
    (0.15, ["-tagfocus=1kb:1mb", "-tagfocus=30kb:", "-tagfocus=route|key", "-tagignore=1mb:", "-tagignore=route:/l"]),
    (0.1, ["-tagshow=route|key1", "-taghide=key2|bytes", "-taghide=request"]),
    (0.1, ["-tagroot=route", "-tagroot=bytes,key1", "-tagleaf=key1", "-tagleaf=bytes", "-tagleaf=request,tenant"]),
]

AGAIN = 12  # times the peer is asked at most what it answered differently


def unnumbered(text):
    """The lines with nodes called by what they show, in any order."""
    lines = text.decode(errors="replace").splitlines()
    shows = {}
    for line in lines:
        m = re.match(r'(N\d+) \[(.*) id="node\d+" (.*)$', line)
        if m:
            shows[m[1]] = m[2] + m[3]

    def name(m):
        return shows.get("N" + m[1], m[0]) + (m[2] or "")

    return sorted(
        line if line.startswith("subgraph") else re.sub(r"\bN+(\d+)((?:_\d+)*)", name, re.sub(r'id="node\d+" ', "", line))
        for line in lines
    )


def outline(text):
    return [line for line in text.splitlines() if line.startswith(b"subgraph")], len(re.findall(rb'id="node\d+"', text))


def agree(command, question, want, got):
    """A word about how the answers agree, or None."""
    if got[:2] == want[:2]:
        return "equal"
    if got[0] or want[0]:
        return None
    ours, answers = unnumbered(got[1]), [want[1]]
    while ours != unnumbered(answers[-1]) and len(answers) < AGAIN:
        answers.append(peer.ask(command, *question)[1])
    theirs = [unnumbered(a) for a in answers]
    may_tie = "-call_tree" in question or "-files" in question  # nodes of equal names; with luck all answers are alike
    if (may_tie or len(set(answers)) > 1) and ours in theirs:
        return "equal but for the order"
    if any(t != theirs[0] for t in theirs) and outline(got[1]) in [outline(a) for a in answers]:
        return "the peer is of several minds"
    return None


def questions(profiles, n, seed):
    chance = random.Random(seed)
    for _ in range(n):
        flags = [chance.choice(of) for p, of in CHOICES if chance.random() < p]
        yield ["-dot", *flags, chance.choice(profiles)]


def main(words):
    osprey = [os.path.abspath(words[0]), "pprof"]
    profiles = sorted(glob.glob(os.path.join(OWN, "*.pb.gz")))
    others = sorted(glob.glob(os.path.join(OTHERS, "*.pb.gz")))
    tap = Tap()
    command, why = peer.find()
    if not command:
        tap.skip("call graphs of both", why)
        return tap.end()
    seed = int(words[2]) if len(words) > 2 else random.randrange(1 << 30)
    print(f"# seed {seed}")
    asked = [] if len(words) > 1 else [[*f, p] for p in profiles + others for f in (["-dot"], ["-dot", "-call_tree"])]
    asked += questions(profiles + others, int(words[1]) if len(words) > 1 else 40, seed)
    for question in asked:
        want, got = peer.ask(command, *question), peer.ask(osprey, *question)
        name = " ".join([*question[:-1], os.path.basename(question[-1])])
        if b"flag provided but not defined" in want[2]:
            tap.skip(name, "this Go's pprof has not all of these flags")
            continue
        how = agree(command, question, want, got)
        tap.case(f"{name}: {how or 'different'}", how is not None, *peer.differences(want, got))
    if not others:
        tap.skip("pprof's own test profiles", "not there: ../shared/testdata/pprof/driver-inputs")
    return tap.end()


sys.exit(main(sys.argv[1:]))
