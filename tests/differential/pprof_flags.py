#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same command lines to go tool pprof and osprey pprof: equal exit status, and an equal first line on stderr.

    pprof_flags.py OSPREY

The peer prints its whole usage behind a wrong flag, osprey a hint. TAP on stdout.
"""
import os
import re
import subprocess
import sys
import tempfile

import peer
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.abspath(os.path.join(HERE, "..", "data", "go-profiles"))
P, Q = "server.heap.pb.gz", "server.heap.before.pb.gz"

# Words; P and Q are profiles. Without a report, the shell reads an empty standard input.
VECTORS = [
    # the grammar
    "-top P", "--top P", "-top=true P", "-top=1 P", "-top=T P", "-top=TRUE P", "-top=True P", "-top=t P", "-top=false P", "-top=0 P",
    "-top=f P", "-top=yes P", "-top= P", "-top=tRUE P", "--top=maybe P", "---top P", "-=top P", "--=top P", "-top= -tree P",
    "-top -- P", "-- P", "-top -top P", "-top -top=false P", "-top=false -top P", "-tree -top=false P", "-h", "-help", "--help", "--h",
    "-top -h P", "-h=1", "-hh", "-version", "--no-such-flag P", "-no_such=3 P", "-Top P", "-TOP P", "-topp P", "-nodecount", "-focus",
    "", "-top",
    # numbers
    "-top -nodecount=5 P", "-top -nodecount 5 P", "-top --nodecount=5 P", "-top -nodecount=-1 P", "-top -nodecount=-9 P",
    "-top -nodecount=+5 P", "-top -nodecount=0x1f P", "-top -nodecount=0X1F P", "-top -nodecount=0b101 P", "-top -nodecount=0o17 P",
    "-top -nodecount=017 P", "-top -nodecount=08 P", "-top -nodecount=1_000 P", "-top -nodecount=1__0 P", "-top -nodecount=_1 P",
    "-top -nodecount=1_ P", "-top -nodecount=0x_1f P", "-top -nodecount=0_7 P", "-top -nodecount=0x P", "-top -nodecount= P",
    "-top -nodecount=1.5 P", "-top -nodecount=1e3 P", "-top -nodecount=9223372036854775807 P", "-top -nodecount=9223372036854775808 P", "-top -nodecount=99999999999999999999x P",
    "-top -nodecount=-9223372036854775808 P", "-top -nodecount=-9223372036854775809 P", "-top -nodecount=five P", "-top -nodecount=-- P",
    "-top -nodefraction=.5 P", "-top -nodefraction=5. P", "-top -nodefraction=1e-3 P", "-top -nodefraction=1E3 P", "-top -nodefraction=-1 P",
    "-top -nodefraction=0x1p-3 P", "-top -nodefraction=0x1 P", "-top -nodefraction=0x.8p0 P", "-top -nodefraction=0xp1 P",
    "-top -nodefraction=1_0.5 P", "-top -nodefraction=1_.5 P", "-top -nodefraction=1e P", "-top -nodefraction=1e+ P", "-top -nodefraction=. P",
    "-top -nodefraction=1e999 P", "-top -nodefraction=1e-999 P", "-top -nodefraction=nan P", "-top -nodefraction=NaN P", "-top -nodefraction=+nan P",
    "-top -nodefraction=inf P", "-top -nodefraction=-Infinity P", "-top -nodefraction=infin P", "-top -nodefraction= P", "-top -edgefraction=x P",
    "-top -divide_by=0 P", "-top -divide_by=-0 P", "-top -divide_by=x P", "-top -divide_by=2 P", "-top -seconds=x P", "-top -timeout=1.5 P",
    "-top -seconds=5 P", "-top -timeout=9 P",
    # choices
    "-top -lines P", "-top -lines=true P", "-top -lines=false P", "-top -lines -lines P", "-top -lines -files=false P", "-top -lines=2 P",
    "-top -cum P", "-top -flat P", "-top -cum -flat P", "-top -cum -flat=false P", "-top -sort=cum P", "-top -granularity=lines P",
    "-top -files -functions P", "-lines -addresses P", "-cum -flat -lines -files P",
    # one report
    "-top -tree P", "-top -text P", "-top -peek=json P", "-peek=json -tree P", "-peek= P", "-peek P", "-peek=( P", "-peek=json -top=false P",
    "-tags -traces -top P", "-comments P", "-list= P", "-top=false -tree=false P",
    # sample types
    "-top -sample_index=alloc_space P", "-top -sample_index=0 P", "-top -sample_index=-1 P", "-top -sample_index=4 P", "-top -sample_index=x P",
    "-top -sample_index=space P", "-top -sample_index=inuse_space P", "-top -inuse_space P", "-top -alloc_space -alloc_objects P",
    "-top -alloc_space -sample_index=alloc_objects P", "-top -inuse_space -alloc_space -inuse_objects P", "-top -total_delay P",
    "-top -mean_delay P", "-top -contentions -mean_delay -total_delay P", "-top -inuse_space=false -alloc_space P", "-top -inuse_space=x P",
    # filters
    "-top -focus=( P", "-top -focus=zzz P", "-top -ignore=[ P", "-top -hide=* P", "-top -show=a{2,1} P", "-top -show_from=\\ P",
    "-top -prune_from=(?P<n P", "-top -tagfocus=( P", "-top -tagignore=zzz P", "-top -tagshow=( P", "-top -taghide=zzz P",
    "-top -tagroot=zzz P", "-top -tagleaf=zzz P", "-top -focus= P", "-top -focus=zzz -ignore=yyy P", "-top -focus=json -focus=zzz P",
    "-top -relative_percentages -focus=zzz P", "-top -tagfocus=1mb: P", "-top -tagfocus=bytes=4kb:1mb P", "-dot -tagfocus=4kb:1mb P",
    "-list=nothing -tagfocus=4kb:1mb P", "-weblist=json -output=page.html -tagfocus=4kb:1mb P",
    # sources and the web
    "-http=: -top P", "-no_browser P", "-no_browser -top P", "-no_browser=false -top P", "-http= -top P", "-base=Q -diff_base=Q P",
    "-top -base= P", "-top -base= -diff_base= P", "-top -base=Q P", "-top -diff_base=Q P", "-top -normalize P", "-top -normalize=false P",
    "-top -normalize -base=Q P", "-top -base=nowhere P", "-top nowhere", "-top nowhere P", "-top P P", "-top P nowhere", "-top -symbolize=none P",
    "-top -symbolize=no P", "-top -symbolize=x P", "-top -tools=x P", "-top -buildid=abc P", "-comments -add_comment=hi P", "-top -unit=kb P",
    "-top -unit= P", "-top -unit=x P", "-top -output= P", "-top -output=o.txt P", "-top -output o.txt P", "-top -trim_path=/a -source_path=/b P",
    "-top -compact_labels P", "-top -intel_syntax -call_tree -drop_negative -noinlines -showcolumns -mean -trim P", "-top -trim=false P",
    "P", "-sample_index=x P", "-nodecount=3 -lines P", "-divide_by=0 P", "P Q", "-tls_cert=x -top P",
]


def words(vector):
    return [{"P": P, "Q": Q}.get(w, w.replace("=Q", "=" + Q)) for w in vector.split(" ") if w]


def run(command, vector):
    with tempfile.TemporaryDirectory() as folder:
        for name in P, Q:
            os.symlink(os.path.join(DATA, name), os.path.join(folder, name))
        env = dict(os.environ, TZ="UTC", HOME=folder, PPROF_TMPDIR=folder, TERM="dumb")
        env.pop("PPROF_TOOLS", None)
        done = subprocess.run([*command, *words(vector)], env=env, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
        first = (done.stderr.decode(errors="replace").splitlines() or [""])[0]
        # Several choices of one group: the peer names them in an order that changes from run to run.
        first = re.sub(r"(?<=options set: \[).*(?=\])", lambda m: " ".join(sorted(m.group().split())), first)
        return done.returncode, first, done.stdout


def main(osprey):
    tap = Tap()
    command, why = peer.find(peer.FOLLOWED)
    if not command:
        tap.skip("command lines of both", why)
        return tap.end()
    ours = [os.path.abspath(osprey), "pprof"]
    for vector in VECTORS:
        want, got = run(command, vector), run(ours, vector)
        if want[1] == "usage:" and want[0] == 0:  # asked for: osprey prints it to stdout
            got = got[0], (got[2].decode().splitlines() or [""])[0], want[2]
        if want[1] == "usage:" and want[0] == 2:  # no source: the peer says so behind its usage
            want = want[0], "no profile source specified", want[2]
        tap.case(vector, want == got, *(f"{side} |{status} {first} ({len(out)} bytes)" for side, (status, first, out) in
                                        (("peer  ", want), ("osprey", got))))
    return tap.end()


sys.exit(main(*sys.argv[1:]))
