#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The peer's legacy forms: its parser and ours on the same files, whole and damaged.

    legacy_forms.py PROBE SOURCES [SEED|random [DAMAGES]]

The peer's parser is the package that go tool pprof itself is built of, copied out of GOROOT for the time of the test. Each
input is damaged in DAMAGES ways; of every file both must say the same: refused, or a profile that is printed alike.
TAP on stdout.
"""
import glob
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OTHERS = os.path.join(ROOT, "..", "shared", "testdata", "pprof", "profile")

FORMS = ["pprof", "cpu", "heap", "go-count", "threads", "contention", "java"]  # that the peer reads, too
WORDS = [b"0x", b"-1", b"0", b"@", b" ", b"\n", b"\r\n", b"#", b"=", b"$", b"---", b"[", b"]", b":", b"_", b"010", b"08",
         b"0x10", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"\x00", b"\xff", b"\xc2\xa0",
         b"MAPPED_LIBRARIES:\n", b"--- Memory map: ---\n", b"a=/bin/x\n", b"$a", b"400000-500000 r-xp 0 00:0 0 /bin/x\n",
         b"1000-2000 x.so (@1000) abc\n", b"I0101 f.cc:12] ", b"same as previous thread", b"format = java\n",
         b"resolution = bytes\n", b"sampling period = 1_0\n", b"cycles/second=0x10\n", b"x" * 65536, b"0x1 " * 100]


def damage(data, rnd):
    """One of the ways in which files are spoiled."""
    data = bytearray(data)
    lines = bytes(data).split(b"\n")
    # Most damage is worth the most near the beginning, where there are heads, or at the end, where maps are.
    at = rnd.choice([rnd.randrange(len(data) + 1), rnd.randrange(min(len(data), 200) + 1),
                     max(0, len(data) - rnd.randrange(3000))])
    kind = rnd.randrange(9)
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        return bytes(data[at:])
    if kind == 2:
        for _ in range(rnd.choice([1, 1, 3, 20])):
            if data:
                data[rnd.randrange(len(data))] = rnd.randrange(256)
    elif kind == 3:
        data[at:at] = rnd.choice(WORDS)
    elif kind == 4:
        data[at:at + rnd.randrange(40)] = rnd.choice(WORDS)
    elif kind == 5:
        del data[at:at + rnd.choice([1, 2, 4, 8, rnd.randrange(200)])]
    elif kind in (6, 7):
        i, j = rnd.randrange(len(lines)), rnd.randrange(len(lines))
        if kind == 6:
            lines[i] = lines[j]
        else:
            del lines[i:i + rnd.choice([1, 1, 5, 50])]
        return b"\n".join(lines)
    else:
        numbers = list(re.finditer(rb"\d+", bytes(data[:100000])))
        if numbers:
            m = rnd.choice(numbers)
            data[m.start():m.end()] = rnd.choice([b"0", b"1", b"-1", b"010", b"0x7", b"9223372036854775807",
                                                  b"9223372036854775808", b"99999999999999999999999", b"", b"1_0"])
    return bytes(data)


def build_peer(folder):
    """The peer's parser as a program, or None with the reason printed."""
    goroot = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    package = os.path.join(goroot, "src", "cmd", "vendor", "github.com", "google", "pprof", "profile")
    if not os.path.isdir(package):
        return None
    shutil.copytree(package, os.path.join(folder, "profile"))
    shutil.copy(os.path.join(HERE, "legacy_peer", "main.go"), folder)
    with open(os.path.join(folder, "go.mod"), "w", encoding="utf-8") as f:
        f.write("module peer\n\ngo 1.19\n")
    program = os.path.join(folder, "ask")
    env = dict(os.environ, GOTOOLCHAIN="local", GOPROXY="off", GOFLAGS="-mod=mod")
    done = subprocess.run(["go", "build", "-o", program, "."], cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        print("# " + done.stderr.replace("\n", "\n# "))
        return None
    return program


def answers(program, paths, n):
    done = subprocess.run([program], input="".join(p + "\n" for p in paths).encode(), capture_output=True, timeout=600,
                          env=dict(os.environ, TZ="UTC"))
    lines = [line.decode(errors="replace") for line in done.stdout.split(b"\n")[:-1]]  # a text may hold other ends of lines
    if len(lines) != n:
        lines += [f"died: {done.stderr[-600:].decode(errors='replace')}"] * (n - len(lines))
    return lines


def first_difference(theirs, ours):
    a, b = (text.encode().decode("unicode_escape", "replace").split("\n") for text in (theirs, ours))
    for x, y in zip(a, b):
        if x != y:
            return f"peer: {x[:150]!r}, osprey: {y[:150]!r}"
    return f"{len(a)} lines, osprey {len(b)}"


def main(words):
    probe, sources = os.path.abspath(words[0]), words[1]
    seed = int(words[2]) if len(words) > 2 and words[2] != "random" else random.randrange(1 << 30)
    damages = int(words[3]) if len(words) > 3 else 200
    if not shutil.which("go"):
        print("1..1\nok 1 - legacy forms # SKIP no Go here")
        return 0
    rnd = random.Random(seed)
    inputs = sorted(glob.glob(os.path.join(sources, "*")))
    others = [p for p in sorted(glob.glob(os.path.join(OTHERS, "*"))) if not p.endswith(".string")]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        peer = build_peer(folder)
        if not peer:
            print("1..1\nok 1 - legacy forms # SKIP the peer's package cannot be built here")
            return 0
        print(f"1..{len(inputs) + len(others) + (not others)}")
        print(f"# seed {seed}")
        for n, path in enumerate(inputs + others, 1):
            with open(path, "rb") as f:
                data = f.read()
            files = []
            for k in range(damages + 1):
                files.append(os.path.join(folder, f"{n}-{k}"))
                with open(files[-1], "wb") as f:
                    f.write(damage(data, rnd) if k else data)
            theirs = answers(peer, files, len(files))
            ours = answers(probe, files, len(files))
            back = answers(peer, [f + ".pb" for f in files], len(files))
            bad = []
            for f, a, b, c in zip(files, theirs, ours, back):
                if not a.startswith("ok ") and b.startswith("ok ") and b.split()[1] not in FORMS:
                    continue  # what is left is of a form that the peer does not read
                if a.startswith("ok ") != b.startswith("ok "):
                    bad.append((f, f"peer: {a[:150]}, osprey: {b[:250]}"))
                elif a.startswith("ok ") and a != c:
                    bad.append((f, first_difference(a, c)))
            failed += bool(bad)
            read = sum(a.startswith("ok ") for a in theirs)
            print(f"{'not ok' if bad else 'ok'} {n} - {os.path.basename(path)}: {len(files)} files, {read} of them read, "
                  f"{ours[0][:60]}")
            for f, why in bad[:5]:
                kept = os.path.join(tempfile.gettempdir(), "osprey-legacy-" + os.path.basename(f))
                shutil.copy(f, kept)
                print(f"#   {kept}: {why}")
            if len(bad) > 5:
                print(f"#   and {len(bad) - 5} more")
            for f in glob.glob(os.path.join(folder, f"{n}-*")):
                os.remove(f)
        if not others:
            print(f"ok {len(inputs) + 1} - the peer's own test files # SKIP not there: ../shared/testdata/pprof/profile")
    return failed > 0


sys.exit(main(sys.argv[1:]))
