#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares osprey's frames (function, file, line of each inlined call) with eu-addr2line and binutils' addr2line.

usage: frames_vs_addr2line.py PROBE FILE... [-n ADDRESSES] [-s SYMBOL-PREFIX]

Addresses are spread evenly over the symbols of .text. An answer counts as the same if one of the two references gives
it; they differ from each other, too. Exit status 1 if more than 1 in 200 answers has no reference that agrees.
"""
import argparse
import re
import subprocess
import sys


def addresses(path, n, prefix):
    """Up to n addresses inside sized functions."""
    picked = []
    for line in subprocess.run(["nm", "-S", "--defined-only", path], capture_output=True, text=True).stdout.splitlines():
        f = line.split(None, 3)
        if len(f) == 4 and f[2] in "tTwW" and f[3].startswith(prefix) and int(f[1], 16) > 0:
            picked += [(int(f[0], 16) + int(f[1], 16) * k // 8) for k in range(8)]
    picked = sorted(set(picked))
    return picked[:: max(1, len(picked) // n)]


def line_of(text):
    m = re.match(r"(.*?):(\d+|\?)(:\d+)?( |$)", text)
    line = int(m.group(2)) if m and m.group(2) != "?" else 0
    return (m.group(1) if m and line else "", line)


def addr2line(tool, path, addrs):
    out = subprocess.run([tool, "-a", "-f", "-i", "-C", "-e", path], input="\n".join(map(hex, addrs)) + "\n",
                         capture_output=True, text=True, errors="replace").stdout.splitlines()
    got, i = [], 0
    while i < len(out):
        if out[i].startswith("0x") and ":" not in out[i]:
            got.append([])
            i += 1
            continue
        name = re.sub(r" inlined at .*", "", out[i])
        got[-1].append((name, *line_of(out[i + 1])))
        i += 2
    return got


def ours(probe, path, addrs):
    out = subprocess.run([probe, "frames", path], input="\n".join(map(hex, addrs)) + "\n",
                         capture_output=True, text=True, errors="replace", check=True).stdout.splitlines()
    got = []
    for line in out:
        if not line.startswith(" "):
            got.append([])
            continue
        name, at, _linker, _start = line[2:].split("\t")
        file, number, _column = at.rsplit(":", 2)
        got[-1].append((name, file, int(number)))
    return got


def plain(frames):
    """Without what the tools spell differently: parameters, clones, directories, unknown lines' files."""
    out = []
    for name, file, line in frames:
        name = name.replace("(anonymous namespace)::", "")
        name = re.sub(r"\(\*?\w+\)\.|\(.*|@.*|\.(constprop|isra|part|cold|llvm|abi).*|\[.*\]", "", name)
        name = name.split("::")[-1].split("<")[0].split(".")[-1] or "?"
        out.append((name, file.split("/")[-1] if line else "", line))
    return out


def same(mine, reference):
    """Equal, where the reference knows; it may know less."""
    if reference and reference[0][0] in ("??", "") and not mine:
        return True
    a, b = plain(mine), plain(reference)
    if len(a) != len(b):
        return False
    return all(x[1:] == y[1:] and (x[0] == y[0] or y[0] in ("??", "?")) for x, y in zip(a, b))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("probe")
    p.add_argument("file", nargs="+")
    p.add_argument("-n", type=int, default=2000)
    p.add_argument("-s", default="")
    args = p.parse_args()
    ok = True
    for path in args.file:
        addrs = addresses(path, args.n, args.s)
        mine = ours(args.probe, path, addrs)
        eu, gnu = addr2line("eu-addr2line", path, addrs), addr2line("addr2line", path, addrs)
        wrong = [(a, m, e, g) for a, m, e, g in zip(addrs, mine, eu, gnu) if not same(m, e) and not same(m, g)]
        inlined = sum(len(m) > 1 for m in mine)
        print(f"{path}: {len(addrs)} addresses, {inlined} with inlines, {len(wrong)} that neither reference has so")
        for a, m, e, g in wrong[:8]:
            print(f"  {a:#x}\n    ours {plain(m)}\n    eu   {plain(e)}\n    gnu  {plain(g)}")
        ok = ok and len(addrs) > 0 and len(wrong) * 200 <= len(addrs)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
