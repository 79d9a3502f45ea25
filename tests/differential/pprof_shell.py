#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same scripted sessions to the shells of go tool pprof and osprey pprof: equal bytes on stdout, equal files written,
and equal stderr but for help texts and file errors, which are in osprey's own words.

    pprof_shell.py OSPREY [SEED [COUNT]]      COUNT sessions made up from SEED (new ones at each run), beside the written ones

TAP on stdout.
"""
import gzip
import os
import random
import re
import subprocess
import sys
import tempfile

import odd_profiles
import peer
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "data", "go-profiles")
AGAIN = 5  # times the peer is asked what it answered differently
HEAP, CPU, LABELS, THREADS, BLOCK = ("server.heap", "encoding.json.cpu", "server.cpu.labels", "server.threadcreate",
                                     "server.block")

# Profile, flags, lines. A line `help ...` prints osprey's own words: its stderr is not compared.
SESSIONS = [
    (HEAP, [], ["top"]),
    (HEAP, [], ["top10"]),
    (HEAP, [], ["top 10"]),
    (HEAP, [], ["top -cum"]),
    (HEAP, [], ["top --cum 3"]),
    (HEAP, [], ["top3 -cum", "top 5", "text4"]),
    (HEAP, [], ["top json", "top -json", "top net json -gc", "top -a -b c d"]),
    (HEAP, [], ["top -"]),
    (HEAP, [], ["top -5", "top +3", "top 0", "top 99999999999", "top99999999999", "top 1_0"]),
    (HEAP, [], ["tree3", "tree -cum 4", "tree json -compress"]),
    (HEAP, [], ["peek growSlice", "peek nothing.like.it", "peek", "peek5"]),
    (HEAP, [], ["tags", "tags bytes", "comments"]),
    (HEAP, [], ["traces json"]),
    (HEAP, [], ["o"]),
    (HEAP, [], ["options"]),
    (HEAP, ["-nodecount=7", "-cum", "-lines", "-focus=a b", "-divide_by=2.5"], ["o", "top"]),
    (HEAP, [], ["divide_by=1000000", "o", "divide_by=1e21", "o", "divide_by=0x1p-3", "o", "divide_by=-1e-7", "o", "top2"]),
    (HEAP, [], ["nodefraction=0.1", "top", "nodefraction=x", "nodefraction=1e999", "nodefraction=nan", "o", "nodefraction=inf", "o"]),
    (HEAP, [], ["nodecount=3", "top", "tree", "nodecount=-1", "top", "nodecount=0", "top", "nodecount=-3", "top"]),
    (HEAP, [], ["nodecount=99999999999999999999", "nodecount=", "nodecount", "nodecount= 4 ", "o", "nodecount=0x4", "nodecount=1_0"]),
    (HEAP, [], ["focus=json", "top", "ignore=Marshal", "top", ":", "top"]),
    (HEAP, [], ["focus", "ignore", "focus=", "focus =  json  ", "o", "top"]),
    (HEAP, [], ["focus=json //: only json", "o", "focus=a//:b//:c", "o", "focus=//:", "o"]),
    (HEAP, [], ["focus json", "nodecount10", "nodecount 10", "granularity lines", "cum yes", "lines5"]),
    (HEAP, [], ["hide=runtime", "top", "show=json|flate", "top", "show_from=main", "top", "hide=", "top"]),
    (HEAP, [], ["prune_from=json", "top"]),
    (HEAP, [], ["show=nothing.like.it", "top", "hide=nothing.like.it", "ignore=nothing.like.it", "top"]),
    (HEAP, [], ["relative_percentages=true", "focus=json", "top", "relative_percentages=0", "top"]),
    (HEAP, [], ["sort=cum", "top", "sort=flat", "top", "sort=foo", "sort=", "sort"]),
    (HEAP, [], ["granularity=lines", "top3", "granularity=files", "granularity=filefunctions", "top3", "granularity=addresses", "top3",
                "granularity=functions", "top3", "granularity=x", "granularity="]),
    (HEAP, [], ["lines=true", "top3", "lines=false", "lines=0", "lines=x", "functions=1", "o", "cum=t", "o", "flat=True", "o"]),
    (HEAP, [], ["compact_labels=false", "top2", "compact_labels=f", "compact_labels", "o"]),
    (HEAP, [], ["mean=perhaps", "mean=YES", "o", "mean=N", "o", "mean=", "o", "mean=0", "mean", "o"]),
    (HEAP, [], ["trim=false", "top", "trim=true", "top", "noinlines=1", "top"]),
    (HEAP, [], ["unit=kb", "top3", "unit=auto", "top3", "unit=gb", "top3", "unit=minimum", "top3", "unit=furlongs", "top3"]),
    (HEAP, [], ["alloc_space", "top3", "inuse_objects", "top3", "total_alloc_space", "o", "mean_alloc_space", "top3", "o"]),
    (HEAP, [], ["sample_index=alloc_space", "top3", "sample_index=2", "o", "sample_index=7", "sample_index=-1", "sample_index=x",
                "sample_index=space", "o", "sample_index=", "o"]),
    (HEAP, ["-sample_index=alloc_objects"], ["o", "top2", "sample_index=inuse_space", "top2"]),
    (HEAP, ["-inuse_space", "-alloc_space"], ["top2"]),
    (HEAP, [], ["drop_negative=true", "top2", "call_tree=1", "top2", "showcolumns=1", "lines=1", "top2"]),
    (HEAP, [], ["intel_syntax=1", "normalize=1", "o", "top2"]),
    (HEAP, [], ["trim_path=/usr", "source_path=/a:/b", "o", "output=", "o"]),
    (HEAP, [], ["edgefraction=0.5", "tree4", "edgefraction=0", "tree4"]),
    (HEAP, [], ["top > out.txt", "top3 >out2.txt", "top json >out3.txt -cum", "top >"]),
    (HEAP, [], ["top > a.txt", "tree > b.txt", "top 2 > a.txt"]),
    (HEAP, [], ["output=all.txt", "top", "tree2", "output=", "top2"]),
    (HEAP, [], ["foo", "foo bar", "top=3", "10", "top10x", "-cum", "> x", "=", "a=b", " = ", '"', "\\", "caf\u00e9", "a\tb", "\x01x"]),
    (HEAP, [], ["exit now", "top"]),
    (HEAP, [], ["quit", "top"]),
    (HEAP, [], ["q"]),
    (HEAP, [], []),
    (HEAP, [], ["", "   ", "\t", "top2", "  top2  ", "\u00a0top2\u3000", "top\u20032"]),
    (HEAP, [], ["help", "help top", "help nodecount", "help lines", "help web", "help foo bar"]),
    (HEAP, [], ["focus=(", "top2", "focus=", "tagfocus=(", "top2", "tagfocus=", "top2 ("]),
    (HEAP, [], ["divide_by=0", "top2", "divide_by=1", "top2"]),
    (HEAP, [], ["tagfocus=bytes=4kb:", "top3", "tagfocus=1mb:", "top3", "tagignore=bytes=:4kb", "top3", ":", "o"]),
    (LABELS, [], ["tags", "tags route", "tags -route", "tags > t.txt", "tagfocus=route", "top3", "tagshow=x", "tags"]),
    (LABELS, [], ["tagroot=route", "top3", "tree3", "tagroot=", "tagleaf=route", "top3", "tagroot=none", "top3"]),
    (LABELS, [], ["samples", "top3", "cpu", "top3", "total_samples", "o", "mean_cpu", "top3", "o"]),
    (LABELS, [], ["traces json 3", "traces -json -http > t.txt"]),
    (CPU, [], ["top5", "tree5", "peek Marshal$", "top5 -cum", "lines=true", "top5"]),
    (CPU, ["-unit=ms"], ["top5", "unit=s", "top5", "unit=minimum", "top5"]),
    (CPU, ["-output=given.txt"], ["top3", "o", "output=", "top3"]),
    (CPU, ["-compact_labels=false"], ["o", "top3"]),
    (CPU, [], ["total_delay", "mean_delay", "delay", "cpu ", "top1"]),
    (THREADS, [], ["top", "tree", "traces", "peek .", "tags", "comments", "o"]),
    (THREADS, ["-relative_percentages", "-focus=nothing.like.it"], ["top", "focus=.", "top"]),
    (BLOCK, [], ["top4", "contentions", "top4", "delay", "top4", "mean_delay", "top4", "mean=0", "top4"]),
    (BLOCK, ["-mean_delay"], ["top4", "o"]),
    (BLOCK, ["-add_comment=hello there"], ["comments", "comments > c.txt", "top2 > d.txt"]),
    (BLOCK, [], ["proto", "proto > p.pb.gz", "topproto", "callgrind", "raw > r.txt", "dot > g.dot"]),
]

# What a line of a made-up session is.
COMMANDS = ["top", "text", "tree", "peek", "tags", "traces", "comments", "dot", "raw", "callgrind", "top > {file}", "tree >{file}",
            "tags > {file}", "proto > p.pb.gz", "topproto > t.pb.gz"]
PATTERNS = ["json", "gc|malloc", "^runtime", "json|http|main", "main", "http", "zzz", ".", r"\(\*", "Marshal$", "a b", "(", "s", r"\.go",
            "route", "bytes", "4kb", "1mb:", ":64kb", "bytes=4kb:", "route=.", "pprof"]
VALUES = {
    "nodecount": ["6", "-1", "0", "1", "30", "x", "1e3"], "nodefraction": ["0.02", "0.005", "0", "0.3", "x"], "edgefraction": ["0.1", "0", "0.001"],
    "unit": ["auto", "minimum", "us", "kb", "GB", "x"], "sort": ["cum", "flat", "up"],
    "granularity": ["lines", "functions", "filefunctions", "addresses", "pages"], "divide_by": ["3", "1", "0.5", "-2", "0", "1e6"],
    "sample_index": ["0", "1", "", "3", "x", "delay"], "source_path": ["/src", ""], "trim_path": ["/usr:/root", "/", ""], "output": ["f.txt", ""],
    **{name: ["1", "0", "true", "f", "yes", "maybe", ""] for name in (
        "noinlines", "mean", "trim", "relative_percentages", "compact_labels", "drop_negative", "showcolumns", "call_tree", "normalize",
        "intel_syntax", "lines", "cum")},
    **{name: PATTERNS + [""] * 8 for name in (
        "focus", "ignore", "hide", "show", "show_from", "prune_from", "tagfocus", "tagignore", "tagshow", "taghide", "tagroot", "tagleaf")},
}
ODD_LINES = ["o", ":", "quux", "", "  ", "total_cpu", "mean_delay", "alloc_space", "cpu", "delay", "foo = bar", "10",
             "top 5 > g.txt json", "top|", "focus=x y z", "focus=a //: b", "tags -", "peek"]


def made_up_line(r):
    kind = r.random()
    if kind < 0.1:
        return r.choice(ODD_LINES)
    if kind < 0.5:
        name = r.choice(sorted(VALUES))
        return f"{name}{r.choice(['=', '=', '= ', ' = '])}{r.choice(VALUES[name])}"
    line = r.choice(COMMANDS).format(file=r.choice(["f.txt", "g.txt"]))
    if line in ("peek", "traces") or r.random() < 0.4:
        line += " " + r.choice(["", "", "-"]) + r.choice(PATTERNS)
    line += r.choice(["", "", "", "3", " 5", " -cum", " --cum", " -json", " json"])
    return line


def sessions(r, count):
    yield from SESSIONS
    profiles = sorted(name.removesuffix(".pb.gz") for name in os.listdir(DATA) if name.endswith(".pb.gz"))
    for _ in range(count):
        lines = [made_up_line(r) for _ in range(r.randint(3, 12))]
        profile = r.choice(profiles) if r.random() < 0.7 else odd_profiles.profile(r)
        yield profile, r.choice([[], [], [], ["-cum"], ["-lines", "-nodecount=9"]]), lines + ["top3", "o"]


def run(command, profile, flags, lines):
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, TZ="UTC", HOME=folder, PPROF_TMPDIR=folder, TERM="dumb")
        for name in "DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "PPROF_TOOLS":
            env.pop(name, None)
        if isinstance(profile, bytes):
            path = os.path.join(folder, "odd.pb")
            with open(path, "wb") as f:
                f.write(profile)
        else:
            path = os.path.abspath(os.path.join(DATA, profile + ".pb.gz"))
        done = subprocess.run([*command, *flags, path], env=env, cwd=folder, input="".join(x + "\n" for x in lines).encode(),
                              capture_output=True, timeout=120)
        files = {}
        for name in os.listdir(folder):
            if name.startswith("."):  # what Go keeps in a home
                continue
            files[name] = readable(os.path.join(folder, name), isinstance(profile, bytes))
        return done.returncode, done.stdout, done.stderr.decode(errors="replace"), files


def comparable(text):
    """The texts of errors in regular expressions come from two libraries; osprey tells what may have been meant, and of what it
    refuses not also what matched nothing."""
    text = re.sub(r"^(nearest to .* here: |the profile is empty: |all values of ).*\n?", "", text, flags=re.MULTILINE)
    text = re.sub(r"^(?:For tag .*\n)+", lambda m: "".join(sorted(m[0].splitlines(True))), text, flags=re.MULTILINE)  # by chance
    text = re.sub(r"^(?:.* matched no samples\n|.*Interpreted .*\n|For tag .*\n)+(?=parsing \S+ regexp|zero divisor|sample_index )", "", text, flags=re.MULTILINE)
    return re.sub(r"(parsing \S+ regexp).*", r"\1", text)


def readable(path, made_up):
    """A file's bytes, unpacked; a profile of one that was made up as the peer prints it: functions have other numbers there."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:2] != b"\x1f\x8b":
        return data
    return peer.ask(peer.find()[0], "-symbolize=none", "-raw", path)[1] if made_up else gzip.decompress(data)


def differences(want, got, lines):
    """What is not equal, and both sides of it."""
    helps = any(x.startswith("help") for x in lines)
    checks = {
        "status": (want[0], got[0]),
        "stdout": (want[1].decode(), got[1].decode()),
        "stderr": ("", "") if helps else (comparable(want[2]), comparable(got[2])),
        "files": ([], []) if want[3] == got[3] else (sorted(want[3]), ["other bytes, or", *sorted(got[3])]),
    }
    return {what: pair for what, pair in checks.items() if pair[0] != pair[1]}


def main(osprey, seed=None, count="30"):
    tap = Tap()
    command, why = peer.find(peer.FOLLOWED)
    if not command:
        tap.skip("sessions with both shells", why)
        return tap.end()
    ours = [os.path.abspath(osprey), "pprof"]
    seed = int(seed) if seed else random.randrange(1 << 32)
    print(f"# seed {seed}")
    for profile, flags, lines in sessions(random.Random(seed), int(count)):
        shown = "a made-up profile" if isinstance(profile, bytes) else profile
        name = f"{shown} {' '.join(flags)}: {'; '.join(lines)}".encode("unicode_escape").decode().replace("#", " ")
        want, got = run(command, profile, flags, lines), run(ours, profile, flags, lines)
        checks = differences(want, got, lines)
        unsure = False
        if checks:  # trees of calls are numbered by chance
            others = [run(command, profile, flags, lines) for _ in range(AGAIN)]
            checks = min((differences(other, got, lines) for other in [want, *others]), key=len)
            unsure = bool(checks) and any(differences(other, want, lines) for other in others)
        if unsure:
            tap.skip(name, "the peer contradicts itself")
            continue
        why = []
        for what, (a, b) in checks.items():
            if isinstance(a, str):
                a, b = a.splitlines(), b.splitlines()
                a, b = next(((x, y) for x, y in zip(a + [None] * len(b), b + [None] * len(a)) if x != y), (a, b))
            why.append(f"{what}: peer   |{a}\n{' ' * len(what)}  osprey |{b}")
        tap.same(name, why)
    return tap.end()


sys.exit(main(*sys.argv[1:]))
