#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares osprey's unwind rows with what readelf says of the same file's .eh_frame (or .debug_frame), row by row.

usage: cfi_vs_readelf.py PROBE FILE...      exit status 1 if a row differs
"""
import bisect
import re
import subprocess
import sys

UNKNOWN = ("unknown", 0, 0)
LARGEST_CFA = 65528


def readelf_rows(path):
    """(address, cfa, rbp, ra, signal) for each line of readelf's interpreted tables, and each function's end."""
    text = subprocess.run(["readelf", "--wide", "--debug-dump=frames-interp", path],
                          capture_output=True, text=True, errors="replace").stdout
    rows, ends, columns, signal, cies = [], [], [], False, {}
    kind, key = None, None
    for line in text.splitlines():
        m = re.match(r"([0-9a-f]{8,16}) [0-9a-f]{16} [0-9a-f]{8,16} (CIE|FDE)(.*)", line)
        if m:
            kind, key = m.group(2), m.group(1).lstrip("0")
            if kind == "CIE":
                cies[key] = "S" in m.group(3).split('"')[1]
            else:
                of = re.search(r"cie=([0-9a-f]+)", m.group(3)).group(1).lstrip("0")
                lo, hi = re.search(r"pc=([0-9a-f]+)\.\.([0-9a-f]+)", m.group(3)).groups()
                signal, start, end = cies.get(of, False), int(lo, 16), int(hi, 16)
                ends.append((start, end))
            columns = []
            continue
        f = re.sub(r"(r\d+) \(\w+\)", r"\1", line).split()
        if f[:2] == ["LOC", "CFA"]:
            columns = f
        elif kind == "FDE" and columns and re.match(r"^[0-9a-f]{16}$", f[0] if f else ""):
            cell = dict(zip(columns, f))
            rows.append((int(f[0], 16), cell["CFA"], cell.get("rbp", cell.get("x29", "u")), cell.get("ra", "u"), signal, end))
        elif kind == "FDE" and not f:
            kind = None
    return rows, ends


# By DWARF's numbers.
REGISTERS = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", *[f"r{n}" for n in range(8, 16)]]


def expected(cfa, rbp, ra, signal):
    """The row we should have made, or None where readelf does not show enough."""
    if signal:
        return ("sigframe", 0, 0)
    if ra == "u":
        return ("end", 8, 0)
    m = re.match(r"(r\w+)([+-]\d+)$", cfa)
    fp = 0
    if rbp not in ("u", "s"):
        n = re.match(r"c([+-]\d+)$", rbp)
        if not n:
            return None
        fp = int(n.group(1))
    if re.match(r"r\d+$", ra): # readelf does not show rsp's own rule
        return None
    if ra != "c-8":
        return UNKNOWN
    if not m:
        return None
    if int(m.group(2)) > LARGEST_CFA:
        return UNKNOWN
    off = int(m.group(2))
    if m.group(1) in ("rsp", "rbp"):
        return ("sp" if m.group(1) == "rsp" else "fp", off, fp)
    return ("leaf", REGISTERS.index(m.group(1)) * 8 + off * 16, fp)


def expected_aarch64(cfa, fp, ra, signal):
    """The same. readelf has one letter for what is not said, which is in the link register, and for what is undefined."""
    m = re.match(r"(sp|x\d+)([+-]\d+)$", cfa)
    if signal:
        return ("sigframe_link", 0, 0)
    if not m:
        return None
    places = []
    for cell in (fp, ra):
        n = re.match(r"c([+-]?\d+)$", cell)
        if not n and cell != "u":
            return None
        places.append(int(n.group(1)) if n else None)
    base, off, (at, returns) = m.group(1), int(m.group(2)), places
    record = at if at is not None else returns
    far = off > LARGEST_CFA or any(p is not None and p < -32768 for p in places)
    # Told from sp or x29 then; as far as that has room.
    if far and (returns is None or off % 16 or off >= 1 << 24 or not -8 <= off + record <= 61 * 8):
        return UNKNOWN
    if returns is None:
        if base == "sp":
            return ("link", off, at or 0)
        return ("leaf_link", off, 8 * int(base[1:])) if base != "x29" and at is None else UNKNOWN
    if at is not None and returns == at + 8 and base in ("sp", "x29"):
        return ("sp_record" if base == "sp" else "fp_record", off, at)
    return ("sp_return", off, returns) if at is None and base == "sp" else UNKNOWN


def is_go(have, want):
    """Go's .debug_frame tells the CFA but not where rbp is, and nothing about where a stack ends."""
    if have[0].startswith("go_") or have[0] == "sp":
        return want[0] == "sp" and have[1] == want[1] and want[2] == 0
    if want == UNKNOWN or want[1] <= 0: # a frame too large for a row; one whose return address was popped
        return have in [("fp", 16, -16), UNKNOWN]
    return have[0] in ("end", "sigframe")


def compare(probe, path):
    """(ok, one line about it, details) for one file."""
    out = subprocess.run([probe, "rows", path], capture_output=True, text=True, check=True).stdout
    ours = [(int(a, 16), (k, int(c), int(fp))) for a, k, c, fp in (l.split() for l in out.splitlines())]
    keys = [a for a, _ in ours]
    rows, ends = readelf_rows(path)
    same = expressions = 0
    aarch64 = any(k in ("link", "sp_record") for _, (k, _, _) in ours)
    wrong = []
    for addr, cfa, rbp, ra, signal, end in rows:
        want = (expected_aarch64 if aarch64 else expected)(cfa, rbp, ra, signal)
        if addr >= end:
            continue
        i = bisect.bisect_right(keys, addr) - 1
        have = ours[i][1] if i >= 0 else None
        if want is None:
            expressions += 1
        elif have == want or is_go(have, want) or (aarch64 and ra == "u" and have[0] == "end"):
            same += 1
        else:
            wrong.append((addr, cfa, rbp, ra, want, have))
    summary = f"{len(ends)} functions, {same} rows the same, {expressions} expressions, {len(wrong)} different"
    details = [f"{addr:#x}: readelf {cfa} rbp {rbp} ra {ra}, wanted {want}, have {have}"
               for addr, cfa, rbp, ra, want, have in wrong[:20]]
    return not wrong and same > 0, summary, details


def main():
    ok = True
    for path in sys.argv[2:]:
        good, summary, details = compare(sys.argv[1], path)
        print("\n  ".join([f"{path}: {summary}"] + details))
        ok = ok and good
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
