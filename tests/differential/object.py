#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What src/object says of programs built here, against readelf, eu-addr2line, addr2line and go tool addr2line.

usage: object.py PROBE        TAP on stdout

Go programs are built with the go command that is here and, of the older releases in OLDER, with those that are in its
module cache already (nothing is downloaded; put one there with GOTOOLCHAIN=go1.18.10 go version).
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

import cfi_vs_readelf
import frames_vs_addr2line as frames

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(HERE, "object_programs")
OLDER = ["go1.18.10", "go1.22.12", "go1.25.9"]
count = failures = 0


def tap(ok, what, details=()):
    global count, failures
    count += 1
    failures += not ok
    print(f"{'ok' if ok else 'not ok'} {count} - {what}")
    for line in details:
        print(f"# {line}")
    sys.stdout.flush()


def skip(what, why):
    global count
    count += 1
    print(f"ok {count} - {what} # SKIP {why}")


def run(args, **env):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL, cwd=env.pop("cwd", None), env={**os.environ, **env})


def check_rows(probe, path, what):
    ok, summary, details = cfi_vs_readelf.compare(probe, path)
    tap(ok, f"rows of {what} are readelf's: {summary}", details)
    alone = subprocess.run([probe, "rules", path], capture_output=True, text=True)
    tap(alone.returncode == 0, f"the rule of one address of {what} is its row's", alone.stdout.splitlines())


def check_frames(probe, path, what, n=1500):
    ok, summary, details = frames.check(probe, path, n)
    tap(ok, f"frames of {what} are addr2line's: {summary}", details)


def check_equal(probe, path, twin, what):
    """The same addresses in a twin that differs only in where its debug data is."""
    addrs = frames.addresses(path, 1000, "")
    a, b = frames.ours(probe, path, addrs), frames.ours(probe, twin, addrs)
    different = [hex(x) for x, p, q in zip(addrs, a, b) if p != q]
    tap(len(addrs) > 0 and not different, f"{what}: {len(addrs)} addresses answer the same", different[:5])


def c_programs(probe, tmp):
    out = os.path.join(tmp, "gcc")
    run(["gcc", "-O2", "-g", "-o", out, os.path.join(PROGRAMS, "inlines.c")])
    check_rows(probe, out, "a gcc -O2 program")
    check_frames(probe, out, "a gcc -O2 program")
    run(["gcc", "-O2", "-g", "-gz", "-o", out + "-gz", os.path.join(PROGRAMS, "inlines.c")])
    check_equal(probe, out, out + "-gz", "compressed debug sections")
    run(["objcopy", "--only-keep-debug", out, out + ".debug"])
    run(["strip", "-o", out + "-stripped", out])
    run(["objcopy", f"--add-gnu-debuglink={out}.debug", out + "-stripped"])
    check_equal(probe, out, out + "-stripped", "a debug file beside it, by .gnu_debuglink")
    run(["g++", "-O2", "-g", "-o", out + "-cc", os.path.join(PROGRAMS, "inlines.cc")])
    check_frames(probe, out + "-cc", "a g++ -O2 program")
    clang = next((c for c in ("clang", "clang-14", "clang-16", "clang-18", "clang-19") if shutil.which(c)), None)
    if not clang:
        skip("a clang -O2 program", "no clang")
        return
    out = os.path.join(tmp, "clang")
    # Version 4 and .debug_aranges, which osprey does not need, because the references do.
    run([clang, "-O2", "-gdwarf-4", "-gdwarf-aranges", "-o", out, os.path.join(PROGRAMS, "inlines.c")])
    check_rows(probe, out, "a clang -O2 program")
    check_frames(probe, out, "a clang -O2 program")
    run([clang, "-O2", "-g", "-gdwarf-5", "-o", out + "5", os.path.join(PROGRAMS, "inlines.c")])
    check_equal(probe, out, out + "5", "DWARF 5 without .debug_aranges")


def system_files(probe):
    for name in ("libc.so.6", "libm.so.6", "libcrypto.so.3"):
        for folder in ("/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                check_rows(probe, path, name)
                break


def go_addr2line(go, path, addrs):
    out = subprocess.run([go, "tool", "addr2line", path], input="\n".join(map(hex, addrs)) + "\n", cwd=PROGRAMS,
                         capture_output=True, text=True, check=True).stdout.splitlines()
    return list(zip(out[0::2], out[1::2]))


def check_go_lines(go, probe, path, what):
    addrs = frames.addresses(path, 3000, "")
    wrong = []
    for addr, mine, (func, at) in zip(addrs, frames.ours(probe, path, addrs), go_addr2line(go, path, addrs)):
        # go tool addr2line names the outermost function by its symbol, and the line of the innermost call.
        name = re.sub(r"\[.*\]|\.abi0$", "", func)
        if not mine or (name and re.sub(r"\[.*\]", "", mine[-1][0]) != name and not name.startswith("runtime.text")) or (
                not at.startswith("?") and f"{mine[0][1]}:{mine[0][2]}" != at):
            wrong.append(f"{addr:#x}: ours {mine}, go {func} {at}")
    # Of several symbols at one address each side may show another.
    tap(len(addrs) > 0 and len(wrong) * 100 <= len(addrs),
        f"functions and lines of {what} are go tool addr2line's: {len(addrs)} addresses, {len(wrong)} different", wrong[:8])


def go_programs(probe, tmp):
    go = shutil.which("go")
    if not go:
        skip("Go programs", "no go command")
        return
    here = subprocess.run([go, "env", "GOVERSION"], cwd="/", capture_output=True, text=True).stdout.strip()
    for version in [here] + OLDER:
        env = dict(CGO_ENABLED="0", GOFLAGS="-mod=mod", GOPROXY="off", GOWORK="off")
        if version != here:
            env["GOTOOLCHAIN"] = version
            known = subprocess.run([go, "version"], cwd="/", capture_output=True, env={**os.environ, **env})
            if known.returncode != 0:
                print(f"# {version} is not in the module cache: not tried")
                continue
        out = os.path.join(tmp, version)
        folder = os.path.join(PROGRAMS, "go")
        run([go, "build", "-o", out, "."], cwd=folder, **env)
        check_rows(probe, out, f"a {version} program")
        check_go_lines(go, probe, out, f"a {version} program")
        if version in ("go1.18.10", "go1.22.12"): # whose DWARF 4 binutils can read
            check_frames(probe, out, f"a {version} program")
        run(["strip", "-o", out + "-stripped", out])
        check_equal(probe, out, out + "-stripped", f"a stripped {version} program")
        run([go, "build", "-buildmode=pie", "-o", out + "-pie", "."], cwd=folder, **env)
        check_rows(probe, out + "-pie", f"a {version} PIE")
        run(["strip", "-o", out + "-pie-stripped", out + "-pie"])
        check_equal(probe, out + "-pie", out + "-pie-stripped", f"a stripped {version} PIE")


def main():
    probe = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as tmp:
        c_programs(probe, tmp)
        system_files(probe)
        go_programs(probe, tmp)
    print(f"1..{count}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
