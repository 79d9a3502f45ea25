#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Source listings and disassembly, by go tool pprof and by osprey pprof: list must be equal bytes; of disasm and weblist
all but the text of the instructions and how it is laid out. Where the peer's disassembler loses its way (it does not know
AVX), a routine is compared by its head only; for code that is not Go's, we may say more.

    pprof_code.py OSPREY

TAP on stdout; without Go a skip with its reason.
"""
import glob
import gzip
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile

import peer
from protobuf import put
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OWN = os.path.join(ROOT, "tests", "data", "go-profiles")
PEERS = os.path.join(ROOT, "..", "shared", "testdata", "pprof")

PROGRAMS = os.path.join(HERE, "code_programs")

PATTERNS = [".", r"^main\.", r"runtime\.mallocgc$|^net", "json|Check", "nothing like this"]
FLAGS = [[], ["-noinlines"], ["-cum", "-unit=ms"], ["-mean"], ["-trim_path=/nowhere"], ["-sample_index=0", "-divide_by=3"],
         ["-focus=runtime", "-hide=gc"], ["-drop_negative"]]


def run(command, *args, cwd=None):
    """Status and stdout; in the user's own home, where Go keeps the sources of modules."""
    return peer.ask(command, *args, cwd=cwd, HOME=os.path.expanduser("~"))[:2]


def listings(tap, osprey, command):
    goroot = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    for i, profile in enumerate(sorted(glob.glob(os.path.join(OWN, "*.pb.gz")))):
        for k, pattern in enumerate(PATTERNS):
            flags = FLAGS[(i + k) % len(FLAGS)] + ["-source_path=" + goroot + "/src"]
            question = [*flags, "-list=" + pattern, profile]
            tap.same(f"{os.path.basename(profile)} {' '.join(question[:-1])}",
                     peer.differences(run(command, *question), run(osprey, *question)))


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
        tap.same("pprof's own listing", peer.differences((0, f.read()), got))


# ---- made-up profiles: some samples in every function of a binary whose name begins with PREFIX --------------------


def made_up_profile(path, binary, prefix, mapping, bias=0, part=1):
    """mapping: start, limit, offset; bias: run address - file address; part: of each function that has samples."""
    nm = subprocess.run(["go", "tool", "nm", "-size", "-n", binary], capture_output=True, text=True, check=True).stdout
    strings = ["", "cpu", "nanoseconds", binary, "code.c"]
    samples = locations = functions = b""
    count = 0
    for words in (line.split(None, 3) for line in nm.splitlines()):
        if len(words) < 4 or words[2] not in "Tt" or not words[3].lstrip("_").startswith(prefix) or int(words[1]) < 8:
            continue
        start, size = int(words[0], 16), int(words[1])
        strings.append(words[3])
        fn, name = len(strings), len(strings) - 1
        functions += put(5, put(1, fn) + put(2, name) + put(3, name) + put(4, 4))
        for k in range(12):
            count += 1
            locations += put(4, put(1, count) + put(2, 1) + put(3, start + int((size - 1) * part) * k // 12 + bias) +
                                 put(4, put(1, fn) + put(2, 10 + k)))
            samples += put(2, put(1, count) + put(2, (k + 1) * 10000000))
    body = put(1, put(1, 1) + put(2, 2)) + samples
    body += put(3, put(1, 1) + put(2, mapping[0]) + put(3, mapping[1]) + put(4, mapping[2]) +
                    put(5, 3) + put(7, 1) + put(8, 1) + put(9, 1))
    body += locations + functions + b"".join(put(6, s.encode()) for s in strings)
    with open(path, "wb") as f:
        f.write(gzip.compress(body))


# ---- disasm --------------------------------------------------------------------------------------------------------


def routines(text):
    """[head lines, [(address, flat, cum, place)], does the disassembler lose its way]; place None = not said."""
    out = [[[], [], False]]
    before = None
    for line in text.decode(errors="replace").splitlines():
        m = re.match(r"^ *(\S+) +(\S+) +([0-9a-f]+): (.*)$", line)
        if line.startswith("ROUTINE"):
            out.append([[], [], False])
        if m:
            rest = m.group(4)
            place = rest[41:] if len(rest) > 40 and rest[40] == ";" and before is None else before
            out[-1][1].append((int(m.group(3), 16), m.group(1), m.group(2), place))
            out[-1][2] |= rest.startswith(("?", "v"))
            before = None
        elif line.startswith(" " * 74 + ";"):
            before = line[75:]
        else:
            out[-1][0].append(line)
    return out


def same_code(want, got, more):
    """more: we may say places where the peer says none."""
    if want[0] != got[0]:
        return peer.differences(want, got)
    theirs, ours = routines(want[1]), routines(got[1])
    if [r[0] for r in theirs] != [r[0] for r in ours]:
        return [f"routines differ: {[r[0] for r in theirs][:4]} {[r[0] for r in ours][:4]}"]
    for (head, a, lost), (_, b, ours_lost) in zip(theirs, ours):
        if lost or ours_lost:
            continue
        if len(a) != len(b):
            return [f"{head[0]}: {len(a)} instructions, osprey {len(b)}"]
        for x, y in zip(a, b):
            if x != y and not (more and x[:3] == y[:3] and x[3] is None):
                return [f"{head[0]}", f"peer   {x}", f"osprey {y}"]
    return []


def disassemblies(tap, osprey, command, name, profile, patterns, more=False):
    for pattern in patterns:
        question = ["-disasm=" + pattern, profile]
        tap.same(f"{name} -disasm={pattern}", same_code(run(command, *question), run(osprey, *question), more))


# ---- weblist -------------------------------------------------------------------------------------------------------


def peers_page(text):
    out = []
    for name, file, body in re.findall(r'<h2>(.*?)</h2><p class="filename">(.*?)</p>\n<pre[^>]*>\n(.*?)</pre>', text, re.S):
        out.append(("function", html.unescape(name), html.unescape(file)))
        out.append(("sum", *re.match(r"  Total:\s+(\S+)\s+(\S+) \(flat, cum\)\s+(\S+)", body).groups()))
        for line in re.split(r"\n?<span class=line>", body)[1:]:
            number_, rest = re.match(r"\s*(-?\d+)</span> <span class=\w+>(.*)$", line, re.S).groups()
            source, code = rest.split("</span>", 1)
            flat, cum, source = re.match(r"\s+(\S+)\s+(\S+)\s{11}(.*)$", source, re.S).groups()
            out.append(("line", number_, flat, cum, html.unescape(source).strip()))
            for row in code.split("\n"):
                m = re.match(r"\s+(\S+)\s+(\S+)\s+([0-9a-f]+): .*<span class=unimportant>(.*?)</span>$",
                             re.sub("^<span class=asm>", "", row))
                if m:
                    out.append(("code", *m.groups()))
    return out


def our_page(text):
    out = []
    for section in re.findall(r"<section>\n(.*?)</section>", text, re.S):
        name, file = re.match(r"<h2>(.*?)</h2>\n<p class=file>(.*?)</p>", section, re.S).groups()
        out.append(("function", html.unescape(name), html.unescape(file)))
        out.append(("sum", *re.search(r"<p class=sum>(\S+) flat, (\S+) cum \(\s*(\S+)\)", section).groups()))
        for kind, row in re.findall(r'class="r (live|dead|nop|asm)"[^>]*>(.*?)(?:</summary>|</div>)\n', section, re.S):
            flat, cum, at, rest = re.match(r"<b class=f>(.*?)</b><b class=c>(.*?)</b><i>(.*?)</i><span>(.*)$", row, re.S).groups()
            rest, _, place = rest.partition("</span>")
            if kind == "asm":
                out.append(("code", flat, cum, at, html.unescape(re.sub("</?em>", "", place))))
            else:
                out.append(("line", at, flat, cum, html.unescape(rest).strip()))
    return out


def pages(tap, osprey, command, profile, tmp):
    # The peer knows no inlined calls, so functions without any.
    question = [r"-weblist=main\.leaf$|main.*insert$", profile]
    page = os.path.join(tmp, "page.html")
    run(command, "-output=" + page, *question)
    with open(page, encoding="utf-8") as f:
        want = peers_page(f.read())
    run(osprey, "-output=" + page, *question)
    with open(page, encoding="utf-8") as f:
        got = our_page(f.read())
    why = [f"{a} osprey {b}" for a, b in zip(want, got) if a != b][:4]
    if len(want) < 50 or len(want) != len(got):
        why.append(f"{len(want)} rows, osprey {len(got)}")
    tap.same(" ".join(question[:1]), why)


def inlined_only(tap, osprey, command, profile):
    """A function without a symbol: the peer's answer, and where its instructions are."""
    question = ["-disasm=main\\.step$", profile]
    if b" main.step " not in run(command, "-raw", profile)[1]:
        tap.skip(f"{question[0]} is inlined everywhere", "on this busy machine no sample hit it")
        return
    why = peer.differences(run(command, *question), run(osprey, *question))
    said = subprocess.run([*osprey, *question], capture_output=True, text=True).stderr.splitlines()
    note = "main.step has no code of its own, it is inlined into main.hot"
    why += [] if note in said else [f"not said: {note}", *said]
    tap.same(f"{question[0]} is inlined everywhere", why)


def programs(tap, osprey, command):
    with tempfile.TemporaryDirectory() as tmp:
        program, profile = os.path.join(tmp, "prog"), os.path.join(tmp, "cpu.pb.gz")
        env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=mod")
        subprocess.run(["go", "build", "-o", program, "."], cwd=os.path.join(PROGRAMS, "go"), env=env, check=True)
        subprocess.run([program, profile], stdout=subprocess.DEVNULL, check=True)
        disassemblies(tap, osprey, command, "Go", profile, [r"main\.", "runtime|maps", "nothing like this"])
        pages(tap, osprey, command, profile, tmp)
        inlined_only(tap, osprey, command, profile)
        other = os.path.join(tmp, "arm64")
        subprocess.run(["go", "build", "-o", other, "."], cwd=os.path.join(PROGRAMS, "go"),
                       env=dict(env, GOARCH="arm64"), check=True)
        made_up_profile(profile, other, "main.", (0x10000, 0x400000, 0))
        disassemblies(tap, osprey, command, "Go for arm64", profile, [r"main\."])
        if not shutil.which("gcc"):
            tap.skip("C", "no gcc here")
            return
        for flags, mapping, bias in ((["-no-pie"], (0x401000, 0x402000, 0x1000), 0),
                                     ([], (0x555555555000, 0x555555556000, 0x1000), 0x555555554000)):
            subprocess.run(["gcc", "-O2", "-g", *flags, "-o", other, os.path.join(PROGRAMS, "hot.c")], check=True)
            made_up_profile(profile, other, "main", mapping, bias)
            disassemblies(tap, osprey, command, " ".join(["C", *flags]), profile, ["main"], more=True)


def main(words):
    osprey = [os.path.abspath(words[0]), "pprof"]
    tap = Tap()
    golden_listing(tap, osprey)
    command, why = peer.find()
    if command:
        listings(tap, osprey, command)
        programs(tap, osprey, command)
    else:
        tap.skip("the same listings and code as go tool pprof", why)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
