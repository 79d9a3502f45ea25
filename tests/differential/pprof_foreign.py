#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Go programs for macOS and Windows, looked at here: disassembly, sources and names of made-up profiles of them must be those
of go tool pprof; the symbol tables those of go tool nm; stripped and fat files what their whole and thin ones are.

    pprof_foreign.py OSPREY

TAP on stdout; without Go, or where Go cannot build for another system, a skip with its reason.
"""
import gzip
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import peer
from pprof_code import PROGRAMS, disassemblies, made_up_profile, run
from protobuf import fields, put
from tap import Tap

# Where a profile says the program lies: start, limit, run address - file address.
SYSTEMS = [
    ("darwin", "arm64", (0x100000000, 0x1001A8000), 0),
    ("darwin", "arm64", (0x104000000, 0x1041A8000), 0x4000000),
    ("darwin", "amd64", (0x1000000, 0x11A8000), 0),
    ("windows", "amd64", (0x140000000, 0x140400000), 0),
    ("windows", "amd64", (0x7FF640000000, 0x7FF640400000), 0x7FF500000000),
    ("windows", "arm64", (0x140000000, 0x140400000), 0),
]
# Some of the padding between functions would have samples too, and for those the peer says line -1.
CODE = 0.2


def without_names(source, to):
    """The profile with addresses alone."""
    out = b""
    with open(source, "rb") as f:
        for field, value in fields(gzip.decompress(f.read())):
            drop = {3: (7, 8, 9), 4: (4,)}.get(field, ())
            if drop:
                value = b"".join(put(*part) for part in fields(value) if part[0] not in drop)
            if field != 5:
                out += put(field, value)
    with open(to, "wb") as f:
        f.write(gzip.compress(out))


def places(answer):
    """Of each location in -raw: its address, the innermost file and line, the outermost function. (The peer knows no
    inlined calls: it gives the one line to the other function.)"""
    out, frames = {}, None
    for line in answer[1].decode().split("Locations\n")[1].split("Mappings\n")[0].splitlines():
        m = re.match(r"\s+(\d+): (0x\w+) M=\d+ (.*)$", line)
        frame = (m.group(3) if m else line).strip()
        name, file, number = re.match(r"(\S.*?) (\S+):(\d+):\d+ s=", frame).groups()
        frames = [m.group(2), file, number, name] if m else frames[:3] + [name]
        if m:
            key = m.group(1)
        out[key] = frames
    return out


def same_places(want, got):
    if want[0] or got[0]:
        return [f"status {want[0]}, osprey {got[0]}"]
    theirs, ours = places(want), places(got)
    return [f"{theirs.get(k)} osprey {ours.get(k)}" for k in theirs.keys() | ours.keys() if theirs.get(k) != ours.get(k)][:4]


def built(tmp, system, machine, *flags):
    path = os.path.join(tmp, "-".join(["prog", system, machine, *("s" for _ in flags)]))
    env = dict(os.environ, GOTOOLCHAIN="local", GOFLAGS="-mod=mod", GOOS=system, GOARCH=machine, CGO_ENABLED="0")
    done = subprocess.run(["go", "build", *flags, "-o", path, "."], cwd=os.path.join(PROGRAMS, "go"), env=env,
                          capture_output=True, text=True)
    if done.returncode:
        print("#", done.stderr.replace("\n", "\n# "))
    return path if done.returncode == 0 else None


def fat(path, thin):
    """Two parts: one of a machine nobody here knows, and the thin file."""
    with open(thin, "rb") as f:
        part = f.read()
    cpu, subtype = struct.unpack("<II", part[4:12])
    head = struct.pack(">II", 0xCAFEBABE, 2) + struct.pack(">5I", 18, 0, 4096, 64, 12)
    head += struct.pack(">5I", cpu, subtype, 16384, len(part), 14)
    with open(path, "wb") as f:
        f.write(head.ljust(16384, b"\0") + part)


def chained(path):
    """Write the pointers in data of a Mach-O file as Apple's linker does since 2021 (DYLD_CHAINED_PTR_64_OFFSET): 36 bits of
    offset from the image, and above them how far on the next one is; dyld makes pointers of them. How many."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    at, segments = 32, {}
    for _ in range(struct.unpack("<I", data[16:20])[0]):
        command, size = struct.unpack("<II", data[at:at + 8])
        if command == 0x19:
            segments[bytes(data[at + 8:at + 24]).rstrip(b"\0")] = struct.unpack("<4Q", data[at + 24:at + 56])
        at += size
    image, end = segments[b"__TEXT"][0], max(start + size for name, (start, size, _, _) in segments.items() if name != b"__PAGEZERO")
    pointers = 0
    for name in (b"__DATA_CONST", b"__DATA"):
        _, _, offset, length = segments.get(name, (0, 0, 0, 0))
        for word in range(offset, offset + length - 7, 8):
            value = struct.unpack("<Q", data[word:word + 8])[0]
            if image <= value < end:
                data[word:word + 8] = struct.pack("<Q", (value - image) | 2 << 51)
                pointers += 1
    with open(path, "wb") as f:
        f.write(data)
    return pointers


def one_system(tap, osprey, command, tmp, system):
    name, machine, (start, limit), bias = system
    what = f"{name}/{machine} at {start:#x}"
    binary = built(tmp, name, machine)
    if not binary:
        tap.skip(what, "Go cannot build it here")
        return
    profile, bare = os.path.join(tmp, "cpu.pb.gz"), os.path.join(tmp, "bare.pb.gz")
    made_up_profile(profile, binary, "main.", (start, limit, 0), bias, CODE)
    without_names(profile, bare)
    disassemblies(tap, osprey, command, what, profile, [r"main\.", "leaf|hot", "runtime", "nothing like this"])
    for question in (["-symbolize=fastlocal", "-top"], ["-symbolize=none", "-raw"], ["-list=main"]):
        path = profile if question[0] == "-list=main" else bare
        tap.same(f"{what} {' '.join(question)}", peer.differences(run(command, *question, path), run(osprey, *question, path)))
    tap.same(f"{what} names", same_places(run(command, "-raw", bare), run(osprey, "-raw", bare)))
    whole = run(osprey, "-raw", bare)
    listed = run(osprey, "-list=main", profile)
    if name == "darwin":
        os.makedirs(os.path.join(tmp, "fat"), exist_ok=True)
        both = os.path.join(tmp, "fat", os.path.basename(binary))
        fat(both, binary)
        tap.same(f"{what} in a fat file",
                 peer.differences(run(osprey, "-traces", binary, bare), run(osprey, "-traces", both, bare)))
    if name == "darwin" and chained(binary):
        answers = [run(osprey, "-raw", bare), run(osprey, "-list=main", profile)]
        tap.case(f"{what} with chained pointers in its data", whole[1] == answers[0][1] and answers[1] == listed)
    shutil.copyfile(built(tmp, name, machine, "-ldflags=-s -w"), binary)
    tap.same(f"{what} stripped", same_places(whole, run(osprey, "-raw", bare)))


def main(words):
    osprey = [os.path.abspath(words[0]), "pprof"]
    tap = Tap()
    command, why = peer.find()
    if not command:
        tap.skip("programs for macOS and Windows", why)
        return tap.end()
    with tempfile.TemporaryDirectory() as tmp:
        for system in SYSTEMS:
            one_system(tap, osprey, command, tmp, system)
    return tap.end()


sys.exit(main(sys.argv[1:]))
