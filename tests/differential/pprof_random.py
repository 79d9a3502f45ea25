#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ask go tool pprof and osprey pprof random questions about real profiles; the answers must be equal.

    pprof_random.py OSPREY [N] [--seed=S] [--only=-tree,-tags] [--odd]      N questions (60), new ones at each run

A question is a report, some of all options, one profile or a few, or one and its base; one in four is about profiles made
up by chance (--odd: all). What is printed must be equal bytes, statuses equal, and so must be what both say about labels
and filters on stderr; profiles are compared as the peer prints them. docs/pprof-differences.md lists what is let pass.
TAP on stdout; a failure shows the command, so that it can be repeated, and keeps the profiles that were made up for it.
"""
import collections
import difflib
import glob
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import odd_profiles
import peer
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OWN = os.path.join(ROOT, "tests", "data", "go-profiles")
LEGACY = os.path.join(ROOT, "tests", "data", "legacy")
MORE = [os.path.join(ROOT, "..", "shared", "testdata", d) for d in ("go-profiles", "pprof/driver-inputs")]

REPORTS = ["-top", "-text", "-tree", "-peek={re}", "-traces", "-tags", "-raw", "-comments", "-dot", "-callgrind",
           "-proto", "-topproto", "-list={re}"]
PATTERNS = ["runtime", "json", "^main", "gc|malloc", "http", ".", "zzz", r"\.go$", "net/http.*erve", "^[a-m]", "line[12]",
            "types", "reflect|sort", "(mangled|line)1000", "s", "testbinary", r"lib.*\.so"]
PATTERN_FLAGS = ["-focus", "-ignore", "-hide", "-show", "-show_from", "-prune_from"]
SWITCHES = ["-cum", "-flat", "-noinlines", "-showcolumns", "-drop_negative", "-relative_percentages", "-mean", "-compact_labels",
            "-compact_labels=false", "-trim=false", "-call_tree", "-intel_syntax", "-normalize"]
TYPE_FLAGS = ["-inuse_space", "-alloc_objects", "-total_delay", "-contentions", "-mean_delay"]
GRANULARITIES = ["-functions", "-filefunctions", "-files", "-lines", "-addresses"]
VALUES = {
    "-nodecount": ["0", "1", "2", "3", "7", "20", "100", "-1", "-5"],
    "-nodefraction": ["0", "0.001", "0.02", "0.1", "0.5", "1", "2", "-0.1", "1e-9"],
    "-edgefraction": ["0", "0.01", "0.1", "0.3", "1", "-1"],
    "-divide_by": ["2", "3.7", "0.25", "1000", "-1", "1e9", "0.001", "1"],
    "-unit": ["auto", "minimum", "ms", "s", "us", "B", "kb", "MB", "GB", "TB", "hrs", "day", "week", "year", "count", "banana", "gcu"],
    "-sample_index": ["0", "1", "2", "3", "cpu", "inuse_space", "alloc_objects", "space", "delay", "samples", "x"],
    "-trim_path": ["/usr/local/go/src", "/usr:/src", "testdata", "/", "/usr/lib/go/src/runtime:/srv"],
    "-source_path": ["/src", "/srv/x/runtime:/y/json", "/a/b/c:/proj"],
    "-add_comment": ["hello", "#hidden"],
}
RANGES = ["1:", ":100", "10:2000", "16kb", "1kb:1mb", "100kb:", ":64kb", "1kb:64", "-5:5", "1s:", "kb", "12", "+3:9x", "0:9999999"]
AGAIN, MANY = 6, 40  # times the peer is asked what it answered differently, or in another order: that may change from run to run
KNOWN_KEYS = ["key1", "key2", "bytes", "request", "allocations", "handler"]


class Asking:
    def __init__(self, osprey, command, rng, folder):
        self.osprey, self.peer, self.rng, self.folder = [osprey, "pprof"], command, rng, folder
        self.profiles = [p for d in MORE for p in sorted(glob.glob(os.path.join(d, "*.pb.gz")))]
        self.profiles = self.profiles or sorted(glob.glob(os.path.join(OWN, "*.pb.gz")))
        self.legacy = [p for p in sorted(glob.glob(os.path.join(LEGACY, "*"))) if b"unrecognized" not in peer.ask(command, "-top", p)[2]]
        goroot = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True).stdout.strip()
        self.sources_of_go = os.path.join(goroot, "src")
        self.known = {}
        self.made = 0

    def about(self, profile):
        """Its sample types, keys and values of its labels, names of its functions, as the peer prints them."""
        if profile not in self.known:
            raw = peer.ask(self.peer, "-raw", "-symbolize=none", profile)[1].decode(errors="replace").split("\nSamples:\n")
            tags = peer.ask(self.peer, "-tags", "-symbolize=none", profile)[1].decode(errors="replace")
            keys = re.findall(r"^ *(\S+): +Total", tags, re.MULTILINE)
            values = re.findall(r"\): +(\S+)$", tags, re.MULTILINE)[:20]
            names = re.findall(r"(?:M=\d+|0x0|\[F\]|^ {13}) (\S+) \S+:\d+:\d+ s=", raw[-1], re.MULTILINE)
            shape = re.sub(r"Time:.*|Duration:.*|Period:.*|Comment:.*|Doc:.*", "", raw[0]).strip(), raw[-1].split("\n")[0].replace("[dflt]", "")
            self.known[profile] = shape, keys or KNOWN_KEYS, values or ["tag"], sorted(set(names))
        return self.known[profile]

    def pattern(self, profile):
        """A regular expression, often one that matches something."""
        rng, names = self.rng, self.about(profile)[3]
        if not names or rng.random() < 0.5:
            return rng.choice(PATTERNS)
        name = re.escape(rng.choice(names))
        return rng.choice([name, f"^{name}$", f"{name}|{re.escape(rng.choice(names))}", re.escape(rng.choice(names)[:5])])

    def label_flags(self, profile):
        rng = self.rng
        keys, values = self.about(profile)[1:3]
        key = lambda: rng.choice(keys + KNOWN_KEYS[:2])
        text = lambda: rng.choice([rng.choice(values), rng.choice(values)[:2], rng.choice(PATTERNS), ".", rng.choice(RANGES),
                                   rng.choice(values) + "," + rng.choice(values)[:3]])
        tag = lambda: rng.choice([text(), key() + "=" + text()])
        flags = {
            "-tagfocus": tag, "-tagignore": tag,
            "-tagshow": lambda: rng.choice([key(), key()[:2], "."]), "-taghide": lambda: rng.choice([key(), key()[:2]]),
            "-tagroot": lambda: rng.choice([key(), key() + "," + key(), "zzz"]),
            "-tagleaf": lambda: rng.choice([key(), key() + "," + key()]),
        }
        return [f"{name}={flags[name]()}" for name in rng.sample(sorted(flags), rng.choice([0, 0, 1, 1, 2, 3]))]

    def options(self, profile):
        rng = self.rng
        flags = [rng.choice(GRANULARITIES)] if rng.random() < 0.5 else []
        flags += rng.sample(SWITCHES, rng.choice([0, 0, 1, 1, 2, 3]))
        flags += [rng.choice(TYPE_FLAGS)] if rng.random() < 0.05 else []
        flags += [f"{f}={self.pattern(profile)}" for f in rng.sample(PATTERN_FLAGS, rng.choice([0, 0, 1, 1, 2]))]
        flags += [f"{f}={rng.choice(VALUES[f])}" for f in rng.sample(sorted(VALUES), rng.choice([0, 1, 1, 2]))]
        flags += self.label_flags(profile)
        if "-cum" in flags and "-flat" in flags:
            flags.remove("-flat")
        return flags

    def make_up(self, count):
        """So many odd profiles, mostly of the same sample types."""
        rng, made = self.rng, []
        types = odd_profiles.types(rng) if rng.random() < 0.9 else None
        for _ in range(count):
            self.made += 1
            made.append(os.path.join(self.folder, f"odd{self.made}.pb"))
            with open(made[-1], "wb") as f:
                f.write(odd_profiles.profile(rng, types))
        return made

    def sources(self, odd):
        """One profile, or several that go together: flags and files."""
        rng = self.rng
        kind = rng.choice(["one", "one", "one", "several", "base", "diff_base"])
        more = {"one": 0, "several": rng.choice([1, 1, 2, 5])}.get(kind, rng.choice([1, 1, 2]))
        if odd or rng.random() < 0.25:
            files, flags = self.make_up(1 + more), []
        else:
            files, flags = [rng.choice(self.legacy if self.legacy and rng.random() < 0.1 else self.profiles)], []
            like = [p for p in self.profiles + self.legacy if self.about(p)[0] == self.about(files[0])[0]]
            files += rng.choices(like if rng.random() < 0.9 else self.profiles, k=more)
        legacy = any(f in self.legacy for f in files)  # their memory maps name files that may be here
        if kind.endswith("base"):
            flags = [f"-{kind}={files.pop(0)}"] + (["-normalize"] if rng.random() < 0.3 else [])
        if len(files) > 1 and ".cpu." in files[0] and files[0] in self.legacy:
            files.reverse()  # the peer takes a legacy CPU profile before others for a program
        if len(files) > 1 and ".cpu." in files[0] and files[0] in self.legacy:
            del files[1:]
        return flags + (["-symbolize=none"] if legacy or rng.random() < 0.3 else []), files

    def question(self, only, odd):
        """Report, flags, files."""
        more, files = self.sources(odd)
        report = self.rng.choice(only or REPORTS).format(re=self.pattern(files[0]))
        if report.startswith("-list") and self.rng.random() < 0.7:
            more = [*more, f"-source_path={self.sources_of_go}"]
        return report, [report, *self.options(files[0]), *more], files


# ---- what is let pass: docs/pprof-differences.md ----------------------------------------------------------------------

def comparable(text, report, flags):
    """By file the peer puts nodes of equal names and weights in an order that changes from run to run: the rows of a
    table are compared without order and sums, other reports as bags of words. So it puts calls of +1 and of -1, which it
    takes for different but none for the heavier, and all that is equal in a call tree."""
    minus = report.startswith(("-tree", "-peek", "-dot", "-callgrind")) and any("base=" in f for f in flags)
    tree = report.startswith("-dot") and "-call_tree" in flags
    if "-files" not in flags and not minus and not tree:
        return text
    if report in ("-top", "-text"):
        rows = [line.split() for line in text.decode().splitlines()]
        return sorted(" ".join(r[:2] + r[3:]) if "%" in " ".join(r[1:3]) else " ".join(r) for r in rows)
    return collections.Counter(text.split())


def chatter(err):
    """What both must say on stderr."""
    said = re.findall(r"^.*(?:matched no samples|Interpreted|also encountered unit).*$", err.decode(errors="replace"), re.MULTILINE)
    return sorted(line.removeprefix("osprey pprof: ") for line in said)


def listings(want, got):
    """Of listings whose source only osprey finds, or where the peer says nothing about a file that is not there, the heads."""
    got = re.sub(rb"\n Error: open [^\n]*: is a directory(?=\n)", b"", got)  # the peer reads those, too, and finds no line
    want, got = want.split(b"ROUTINE "), got.split(b"ROUTINE ")
    if len(want) == len(got):
        for i, text in enumerate(want):
            if b"\n Error: " in text or (b"\n Error: " in got[i] and len(text.splitlines()) == 2):
                want[i], got[i] = (x.splitlines()[:2] for x in (text, got[i]))
    return want, got


class Comparing:
    def __init__(self, asking):
        self.a = asking

    def readable(self, report, out):
        """A profile as the peer prints it."""
        if not report.startswith(("-proto", "-topproto")) or not out:
            return out
        with tempfile.NamedTemporaryFile(suffix=".pb.gz") as f:
            f.write(out)
            f.flush()
            return peer.ask(self.a.peer, "-symbolize=none", "-raw", f.name)[1]

    def ask(self, command, report, flags, files):
        status, out, err = peer.ask(command, *flags, *files)
        return status, self.readable(report, out), chatter(err), err

    def equal(self, report, want, got, flags):
        a, b = (comparable(x[1], report, flags) for x in (want, got))
        if report.startswith("-list"):
            a, b = listings(want[1], got[1])
        return want[0] == got[0] and a == b and (want[0] != 0 or want[2] == got[2])

    def judge(self, report, flags, files):
        """Equal, the peer's answer and ours; "unsure": the peer contradicts itself, and never said what we say."""
        got = self.ask(self.a.osprey, report, flags, files)
        first = self.ask(self.a.peer, report, flags, files)
        if self.equal(report, first, got, flags):
            return "equal", first, got
        ours, others = collections.Counter(got[1].split()), []
        only_order = ours == collections.Counter(first[1].split())
        for _ in range(MANY if only_order else AGAIN):
            others.append(self.ask(self.a.peer, report, flags, files))
            if self.equal(report, others[-1], got, flags):
                return "equal", first, got
        if all(other[1] == first[1] for other in others):
            return "different", first, got
        return ("equal" if only_order or ours in [collections.Counter(o[1].split()) for o in others] else "unsure"), first, got


def show(want, got):
    """Lines that say how the answers differ."""
    if want[0] != got[0]:
        yield f"status {want[0]}, osprey {got[0]}: {want[3][:200]!r} {got[3][:200]!r}"
    if want[2] != got[2]:
        yield f"said {want[2]}, osprey {got[2]}"
    a, b = (x[1].decode(errors="replace").splitlines() for x in (want, got))
    for line in list(difflib.unified_diff(a, b, "peer", "osprey", n=0, lineterm=""))[2:10]:
        yield line[:200]


def keep(words, folder):
    """Profiles that were made up stay, under names of their own."""
    for i, word in enumerate(words):
        path = word[word.find(folder):] if folder in word else ""
        if path and os.path.exists(path):
            with tempfile.NamedTemporaryFile(prefix="odd", suffix=".pb", delete=False) as kept:
                shutil.copy(path, kept.name)
            words[i] = word.replace(path, kept.name)
    return words


def main(words):
    odd = "--odd" in words
    option = dict(w[2:].split("=", 1) for w in words if w.startswith("--") and "=" in w)
    words = [w for w in words if not w.startswith("--")]
    count = int(words[1]) if len(words) > 1 else 60
    seed = int(option.get("seed", random.randrange(1 << 32)))
    tap = Tap()
    command, why = peer.find()
    if not command:
        tap.skip("random questions", why)
        return tap.end()
    only = option["only"].split(",") if "only" in option else None
    print(f"# seed {seed}")
    with tempfile.TemporaryDirectory() as folder:
        asking = Asking(os.path.abspath(words[0]), command, random.Random(seed), folder)
        compare = Comparing(asking)
        for _ in range(count):
            report, flags, files = asking.question(only, odd)
            verdict, want, got = compare.judge(report, flags, files)
            shown = " ".join([*flags, *files]).replace(folder + "/", "").replace("#", "")
            for known in asking.profiles + asking.legacy:
                shown = shown.replace(known, os.path.basename(known))
            if verdict == "unsure":
                tap.skip(shown, "the peer contradicts itself")
            elif verdict == "equal":
                tap.case(shown, True)
            else:
                tap.case(shown, False, shlex.join(keep([*flags, *files], folder)), *show(want, got))
    return tap.end()


sys.exit(main(sys.argv[1:]))
