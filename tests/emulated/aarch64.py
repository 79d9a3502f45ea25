#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The unwinder over stacks of aarch64 programs, after each instruction of them: aarch64.py STEPS PROBE [INSTRUCTIONS]

Programs of C and Go are built here for aarch64 and run by qemu-aarch64, one instruction at a time (steps.c). Besides, the
rows of programs and of the C library are compared with readelf's. Prints TAP. Needs gcc-aarch64-linux-gnu and qemu-user;
Go programs are built with the go command that is here and with the older ones in its module cache.

The runtime's monitor takes the processor from whoever is in C or runs for long, which at this pace is everybody; what is
stepped through would be different each time. So programs run without it, the same instructions each time, and that with C by
the newest Go to its end. With more than 20000 INSTRUCTIONS all are run with it, too."""
import glob
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "programs")
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "differential"))

import cfi_vs_readelf  # noqa: E402
from tap import Tap  # noqa: E402

GCC, QEMU = "aarch64-linux-gnu-gcc", shutil.which("qemu-aarch64")
C = [
    ("C, as gcc does it", ["-O2"]),
    ("C without frame pointers", ["-O2", "-fomit-frame-pointer"]),
    ("C, not optimised", ["-O0"]),
    ("C with signed return addresses", ["-O2", "-mbranch-protection=standard"]),
    ("C with stack clash protection", ["-O2", "-fomit-frame-pointer", "-fstack-clash-protection"]),
    ("C without tables", ["-O2", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-exceptions"]),
    ("C without tables and frame pointers", ["-O2", "-fomit-frame-pointer", "-fno-asynchronous-unwind-tables",
                                             "-fno-unwind-tables", "-fno-exceptions"]),
]
OLDER = ["go1.17.13", "go1.18.10", "go1.19.13", "go1.20.14", "go1.21.13", "go1.22.12", "go1.23.12", "go1.24.13",
         "go1.25.9", "go1.27.1"]
WHOLE = 40000 # more than the program with C has
LARGE = 17000 # so far it takes to see the large frame of the other one
QUICK = ["go1.17.13", "go1.20.14", "go1.22.12", "go1.27.1"]


def build(args, **env):
    return subprocess.run(args, cwd=env.pop("cwd", None), env={**os.environ, **env}, capture_output=True, text=True)


def walk(tap, steps, what, program, first, most, least, env=None, words=()):
    """All instructions from function `first` on, `most` of them; at least `least` must have been seen. A Go runtime may
    leave the thread that is followed: tried again."""
    for _ in range(3):
        run = subprocess.run([steps, QEMU, first, str(most), program, *words], env={**os.environ, **(env or {})},
                             capture_output=True, text=True)
        lines = run.stdout.splitlines() or [run.stderr]
        seen = re.match(r"(\d+) instructions", lines[-1])
        if run.returncode or (seen and int(seen[1]) >= least):
            break
    tap.same(f"{what}: {lines[-1]}", lines[:-1] + [run.stderr] if run.returncode or not seen or int(seen[1]) < least else [])


def without_monitor(path):
    """A copy of a program whose runtime.sysmon waits forever: ppoll(NULL, 0, NULL, NULL), again and again."""
    code = struct.pack("<7I", 0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928, 0xd4000001, 0x17fffffa)
    image, copy = bytearray(pathlib.Path(path).read_bytes()), path + "-alone"
    symbols = subprocess.run(["aarch64-linux-gnu-nm", path], capture_output=True, text=True, check=True).stdout
    addr = int(re.search(r"^(\w+) . runtime\.sysmon$", symbols, re.M)[1], 16)
    table, = struct.unpack_from("<Q", image, 32)
    count, = struct.unpack_from("<H", image, 56)
    for i in range(count):
        kind, _, offset, start, _, size = struct.unpack_from("<IIQQQQ", image, table + 56 * i)
        if kind == 1 and start <= addr < start + size:
            image[offset + addr - start:offset + addr - start + len(code)] = code
    pathlib.Path(copy).write_bytes(image)
    os.chmod(copy, 0o755)
    return copy


def rows(tap, probe, what, path):
    ok, summary, details = cfi_vs_readelf.compare(probe, path)
    tap.same(f"rows of {what} are readelf's: {summary}", [] if ok else details or [summary])


def c_programs(tap, steps, probe, folder, most):
    source = os.path.join(PROGRAMS, "stacks.c")
    for i, (what, flags) in enumerate(C):
        out = os.path.join(folder, f"c{i}")
        made = build([GCC, *flags, "-static", "-o", out, source])
        if made.returncode:
            tap.same(what, [made.stderr])
            continue
        walk(tap, steps, what, out, "work", 60000, 4000)
        rows(tap, probe, what, out)
    out, maps = os.path.join(folder, "dynamic"), os.path.join(folder, "maps")
    made = build([GCC, "-O2", "-no-pie", "-o", out, source])
    if made.returncode:
        tap.same("C with shared libraries", [made.stderr])
        return
    walk(tap, steps, "C with shared libraries", out, "work", 60000, 9000,
         {"STEPS_MAPS": maps, "QEMU_LD_PREFIX": "/usr/aarch64-linux-gnu"}, [maps])
    for lib in glob.glob("/usr/aarch64-linux-gnu/lib/libc.so.6") + glob.glob("/usr/aarch64-linux-gnu/lib/libstdc++.so.6"):
        rows(tap, probe, os.path.basename(lib), lib)


def toolchains(most):
    go = shutil.which("go")
    if not go:
        return []
    cache = subprocess.run([go, "env", "GOMODCACHE"], capture_output=True, text=True).stdout.strip()
    found = [(subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True).stdout.strip(), go, None)]
    for version in OLDER if most > 20000 else QUICK:
        root = os.path.join(cache, "golang.org", f"toolchain@v0.0.1-{version}.linux-amd64")
        if os.path.exists(os.path.join(root, "bin", "go")):
            found.append((version, os.path.join(root, "bin", "go"), root))
    return found


def go_programs(tap, steps, folder, most):
    for version, go, root in toolchains(most):
        env = {"GOARCH": "arm64", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        env |= {"GOROOT": root} if root else {}
        out = os.path.join(folder, version)
        made = build([go, "build", "-o", out, "."], cwd=os.path.join(PROGRAMS, "go"), **env)
        if made.returncode:
            tap.same(version, [made.stderr])
            continue
        one = {"GOMAXPROCS": "1"}
        alone = without_monitor(out)
        walk(tap, steps, version, alone, "main.main", max(most, LARGE), most // 2, one | {"GODEBUG": "asyncpreemptoff=1"})
        if most > 20000:
            walk(tap, steps, f"{version}, its monitor", out, "main.main", most, most // 2,
                 one | {"GODEBUG": "asyncpreemptoff=1"})
        if not root: # at this pace the runtime preempts all the time, if it may
            walk(tap, steps, f"{version}, preempted", out, "main.main", most, most // 2, one)
        out += "-cgo"
        made = build([go, "build", "-ldflags=-linkmode=external -extldflags=-static", "-o", out, "."],
                     cwd=os.path.join(PROGRAMS, "cgo"), **env | {"CGO_ENABLED": "1", "CC": GCC})
        if made.returncode:
            tap.same(f"{version} and C", [made.stderr])
            continue
        walk(tap, steps, f"{version} and C", without_monitor(out), "main.main", most if root else WHOLE, most // 2,
             one | {"GODEBUG": "asyncpreemptoff=1"})
        if most > 20000:
            walk(tap, steps, f"{version} and C, its monitor", out, "main.main", most, most // 2,
                 one | {"GODEBUG": "asyncpreemptoff=1"})


def main():
    steps, probe = sys.argv[1:3]
    most = int(sys.argv[3]) if len(sys.argv) > 3 else 6000
    tap = Tap()
    if not shutil.which(GCC) or not QEMU:
        print(f"1..0 # SKIP no {GCC} or no qemu-aarch64 (packages gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user)")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        c_programs(tap, steps, probe, folder, most)
        go_programs(tap, steps, folder, most)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
