#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey pprof -disasm of one function in a program of 200 MB with 400 000 functions, and go tool pprof in the same session.

    disasm.py OSPREY FOLDER

Prints the least wall and CPU time of five runs; the peer runs once. Status 1 if osprey needs more than 200 ms CPU.
"""
import gzip
import os
import resource
import shutil
import subprocess
import sys
import time

FUNCTIONS = 400000
C = """#include <stdio.h>
void a_function_with_a_rather_long_name_77(void);
__attribute__((noinline)) unsigned long hot_loop(unsigned long n)
{
    unsigned long h = 0;
    for (unsigned long i = 0; i < n; i++)
        h = h * 31 + (i ^ h >> 7);
    return h;
}
int main(void)
{
    a_function_with_a_rather_long_name_77();
    printf("%lu\\n", hot_loop(100));
    return 0;
}
"""


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def fields(*pairs):
    """Protobuf: numbers as varints, bytes with their length."""
    return b"".join(varint(f << 3) + varint(v) if isinstance(v, int) else varint(f << 3 | 2) + varint(len(v)) + v
                    for f, v in pairs)


def make(folder):
    program, profile = os.path.join(folder, "big"), os.path.join(folder, "big.pb.gz")
    if not os.path.exists(program):
        with open(program + ".s", "w", encoding="ascii") as f:
            f.write(".text\n.section .note.GNU-stack,\"\",@progbits\n.text\n")
            for i in range(FUNCTIONS):
                name = f"a_function_with_a_rather_long_name_{i}"
                f.write(f".globl {name}\n.type {name},@function\n{name}:\n.fill 480,1,0x90\nret\n.size {name},.-{name}\n")
        with open(program + ".c", "w", encoding="ascii") as f:
            f.write(C)
        subprocess.run(["gcc", "-O2", "-g", "-no-pie", "-o", program, program + ".c", program + ".s"], check=True)
    nm = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    hot = next(int(line.split()[0], 16) for line in nm.splitlines() if line.endswith(" hot_loop"))
    text = [b"", b"cpu", b"nanoseconds", program.encode(), b"hot_loop", b"big.c"]
    mapping = fields((1, 1), (2, 0x401000), (3, 0x401000 + os.path.getsize(program)), (4, 0x1000), (5, 3), (7, 1), (8, 1), (9, 1))
    location = fields((1, 1), (2, 1), (3, hot + 3), (4, fields((1, 1), (2, 6))))
    body = fields((1, fields((1, 1), (2, 2))), (2, fields((1, 1), (2, 10000000))), (3, mapping), (4, location),
                  (5, fields((1, 1), (2, 4), (3, 4), (4, 5))), *((6, t) for t in text))
    with open(profile, "wb") as f:
        f.write(gzip.compress(body))
    return profile


def measure(command):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert b"ROUTINE" in done.stdout and b"hot_loop" in done.stdout
    return time.monotonic() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(osprey, folder):
    os.makedirs(folder, exist_ok=True)
    profile = make(folder)
    runs = [measure([osprey, "pprof", "-disasm=hot_loop", profile]) for _ in range(5)]
    wall, cpu = min(r[0] for r in runs), min(r[1] for r in runs)
    print(f"osprey  {wall * 1000:7.0f} ms wall {cpu * 1000:7.0f} ms CPU")
    if shutil.which("go"):
        theirs = measure(["go", "tool", "pprof", "-disasm=hot_loop", profile])
        print(f"peer    {theirs[0] * 1000:7.0f} ms wall {theirs[1] * 1000:7.0f} ms CPU")
    return cpu > 0.2


sys.exit(main(*sys.argv[1:]))
