#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ask go tool pprof and osprey pprof random questions about real profiles; the answers must be equal.

    pprof_random.py OSPREY [N] [--seed=S] [--only=-tree,-tags]      N questions (60)

A question is a report, some of all options, one profile or a few, or one and its base. Flags that this osprey does not
know yet are left out. What is printed must be equal bytes, statuses equal, and so must be what both say about labels
and filters on stderr; profiles are compared as the peer prints them. docs/pprof-differences.md lists what is let pass.
TAP on stdout; a failure shows the command, so that it can be repeated.
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

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OWN = os.path.join(ROOT, "tests", "data", "go-profiles")
MORE = [os.path.join(ROOT, "..", "shared", "testdata", d) for d in ("go-profiles", "pprof/driver-inputs")]

REPORTS = ["-top", "-text", "-tree", "-peek={re}", "-traces", "-tags", "-raw", "-comments", "-dot", "-callgrind",
           "-proto", "-topproto"]
PATTERNS = ["runtime", "json", "^main", "gc|malloc", "http", ".", "zzz", r"\.go$", "net/http.*erve", "^[a-m]", "line[12]",
            "types", "reflect|sort", "(mangled|line)1000", "s", "testbinary", r"lib.*\.so"]
PATTERN_FLAGS = ["-focus", "-ignore", "-hide", "-show", "-show_from", "-prune_from"]
SWITCHES = ["-cum", "-flat", "-noinlines", "-showcolumns", "-drop_negative", "-relative_percentages", "-mean", "-compact_labels",
            "-trim=false", "-call_tree"]
GRANULARITIES = ["-functions", "-filefunctions", "-files", "-lines", "-addresses"]
VALUES = {
    "-nodecount": ["0", "1", "3", "7", "20", "100"],
    "-nodefraction": ["0", "0.001", "0.02", "0.1", "0.5"],
    "-edgefraction": ["0", "0.01", "0.1", "0.3"],
    "-divide_by": ["2", "3.7", "0.25", "1000", "-1"],
    "-unit": ["auto", "ms", "s", "us", "B", "kb", "MB", "count", "banana"],
    "-sample_index": ["0", "1", "2", "3", "cpu", "inuse_space", "alloc_objects"],
}
RANGES = ["1:", ":100", "10:2000", "16kb", "1kb:1mb", "100kb:", ":64kb", "1kb:64", "-5:5", "1s:", "kb", "12", "+3:9x", "0:9999999"]
KNOWN_KEYS = ["key1", "key2", "bytes", "request", "allocations", "handler"]


class Peer:
    """go tool pprof itself, not the go command in front of it."""

    def __init__(self):
        go = shutil.which("go")
        tool = go and subprocess.run([go, "tool", "-n", "pprof"], capture_output=True, text=True).stdout.strip()
        self.command = [tool] if tool and os.path.exists(tool) else ([go, "tool", "pprof"] if go else None)


def run(command):
    env = dict(os.environ, TZ="UTC", HOME="/nonexistent", PPROF_TMPDIR=tempfile.gettempdir(), GOTOOLCHAIN="local")
    done = subprocess.run(command, env=env, capture_output=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


class Asking:
    def __init__(self, osprey, peer, rng):
        self.osprey, self.peer, self.rng = [osprey, "pprof"], peer, rng
        self.profiles = [p for d in MORE for p in sorted(glob.glob(os.path.join(d, "*.pb.gz")))]
        self.profiles = self.profiles or sorted(glob.glob(os.path.join(OWN, "*.pb.gz")))
        self.unknown = {}
        self.adds_up = run([*self.osprey, "-top", self.profiles[0], self.profiles[0]])[0] == 0
        self.labels = {}
        self.types = {}

    def knows(self, flag):
        """Does this osprey have the flag?"""
        name = flag.split("=")[0]
        if name not in self.unknown:
            err = run([*self.osprey, name + ("=1" if "=" in flag else ""), "-top", os.devnull])[2]
            self.unknown[name] = b"not defined" in err
        return not self.unknown[name]

    def keys_and_values(self, profile):
        if profile not in self.labels:
            text = run([*self.peer, "-tags", profile])[1].decode(errors="replace")
            keys = re.findall(r"^ *(\S+): +Total", text, re.MULTILINE)
            values = re.findall(r"\): +(\S+)$", text, re.MULTILINE)[:20]
            self.labels[profile] = (keys or KNOWN_KEYS, values or ["tag"])
        return self.labels[profile]

    def type_of(self, profile):
        if profile not in self.types:
            raw = run([*self.peer, "-raw", "-symbolize=none", profile])[1].decode(errors="replace").split("\nSamples:\n")
            self.types[profile] = (re.sub(r"Time:.*|Duration:.*|Period:.*", "", raw[0]), raw[-1].split("\n")[0])
        return self.types[profile]

    def label_flags(self, profile):
        rng = self.rng
        keys, values = self.keys_and_values(profile)
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
        flags += [f"{f}={rng.choice(PATTERNS)}" for f in rng.sample(PATTERN_FLAGS, rng.choice([0, 0, 1, 1, 2]))]
        flags += [f"{f}={rng.choice(VALUES[f])}" for f in rng.sample(sorted(VALUES), rng.choice([0, 1, 1, 2]))]
        flags += self.label_flags(profile)
        if "-cum" in flags and "-flat" in flags:
            flags.remove("-flat")
        return flags

    def sources(self):
        """One profile, or several that go together."""
        rng = self.rng
        first = rng.choice(self.profiles)
        kind = rng.choice(["one", "one", "one", *(["several", "base", "diff_base"] if self.adds_up else [])])
        if kind == "one":
            return [], [first]
        like = [p for p in self.profiles if self.type_of(p) == self.type_of(first)]
        if rng.random() < 0.1:
            like = self.profiles
        if kind == "several":
            return [], [first, *rng.choices(like, k=rng.choice([1, 1, 2, 5]))]
        flags = [f"-{kind}={rng.choice(like)}"] + (["-normalize"] if rng.random() < 0.3 else [])
        return flags, [first, *rng.choices(like, k=rng.choice([0, 0, 1]))]

    def question(self, only):
        rng = self.rng
        while True:
            base, files = self.sources()
            report = rng.choice(only or REPORTS).format(re=rng.choice(PATTERNS))
            flags = [report, *(["-symbolize=none"] if rng.random() < 0.3 else []), *self.options(files[0]), *base]
            if all(self.knows(f) for f in [report, *base]):
                return report, [f for f in flags if self.knows(f)], files


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
            return run([*self.a.peer, "-symbolize=none", "-raw", f.name])[1]

    def ask(self, command, report, flags, files):
        status, out, err = run([*command, *flags, *files])
        return status, self.readable(report, out), chatter(err), err

    def equal(self, report, want, got, flags):
        return (want[0] == got[0] and comparable(want[1], report, flags) == comparable(got[1], report, flags)
                and (want[0] != 0 or want[2] == got[2]))


def show(want, got):
    if want[0] != got[0]:
        print(f"# status {want[0]}, osprey {got[0]}: {want[3][:200]!r} {got[3][:200]!r}")
    if want[2] != got[2]:
        print(f"# said {want[2]}, osprey {got[2]}")
    a, b = (x[1].decode(errors="replace").splitlines() for x in (want, got))
    for line in list(difflib.unified_diff(a, b, "peer", "osprey", n=0, lineterm=""))[2:10]:
        print("#   " + line[:200])


def main(words):
    option = dict(w[2:].split("=", 1) for w in words if w.startswith("--"))
    words = [w for w in words if not w.startswith("--")]
    count = int(words[1]) if len(words) > 1 else 60
    seed = int(option.get("seed", random.randrange(1 << 32)))
    peer = Peer().command
    if not peer:
        print("1..0 # SKIP no Go here")
        return 0
    asking = Asking(os.path.abspath(words[0]), peer, random.Random(seed))
    compare = Comparing(asking)
    only = option["only"].split(",") if "only" in option else None
    print(f"# seed {seed}")
    print(f"1..{count}")
    failed = 0
    for n in range(1, count + 1):
        report, flags, files = asking.question(only)
        want = compare.ask(peer, report, flags, files)
        got = compare.ask(asking.osprey, report, flags, files)
        ok = compare.equal(report, want, got, flags)
        unsure = not ok and any(compare.ask(peer, report, flags, files)[1] != want[1] for _ in range(4))
        ok = ok or unsure
        failed += not ok
        shown = " ".join([*flags, *map(os.path.basename, files)]).replace("#", "")
        print(f"{'ok' if ok else 'not ok'} {n} - {shown}" + (" # SKIP the peer contradicts itself" if unsure else ""), flush=True)
        if not ok:
            print("#   " + shlex.join([*flags, *files]))
            show(want, got)
    return failed > 0


sys.exit(main(sys.argv[1:]))
