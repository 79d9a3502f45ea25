#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a Go program of some 60 MB that spends its time all over its code. Usage: big.py FOLDER [functions]

Packages of 500 functions, each with a loop, a map, a closure and a call to the next: what a large service has much of. All of
them are called in turn until the program is killed."""
import os
import sys

EACH = 500
FUNCTION = """
//go:noinline
func f{i}(x uint64, m map[uint64]string) (r uint64) {{
\tdefer func() {{ r += uint64(len(m)) }}()
\tfor i := uint64(0); i < 40+x%7; i++ {{
\t\tx = x*6364136223846793005 + {i}
\t\tif x%1021 == {small} {{
\t\t\tm[x%64] = fmt.Sprintf("%d of {i}", x)
\t\t}}
\t}}
\tswitch x % 5 {{
\tcase 0:
\t\treturn x ^ uint64(len(strings.Repeat("{i}", int(x%3))))
\tcase 1:
\t\treturn x + uint64(len(strconv.Itoa(int(x % 1000))))
\tdefault:
\t\treturn x >> 1
\t}}
}}
"""


def main():
    folder = sys.argv[1]
    packages = (int(sys.argv[2]) if len(sys.argv) > 2 else 60000) // EACH
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "go.mod"), "w") as f:
        f.write("module big\n\ngo 1.21\n")
    for p in range(packages):
        os.makedirs(os.path.join(folder, f"p{p}"), exist_ok=True)
        with open(os.path.join(folder, f"p{p}", "p.go"), "w") as f:
            f.write(f'package p{p}\n\nimport (\n\t"fmt"\n\t"strconv"\n\t"strings"\n)\n')
            f.writelines(FUNCTION.format(i=i, small=i % 1021) for i in range(EACH))
            f.write("\n// All calls them in turn.\nfunc All(x uint64, m map[uint64]string) uint64 {\n")
            f.writelines(f"\tx = f{i}(x, m)\n" for i in range(EACH))
            f.write("\treturn x\n}\n")
    with open(os.path.join(folder, "main.go"), "w") as f:
        f.write('package main\n\nimport (\n\t"fmt"\n\t"os"\n')
        f.writelines(f'\t"big/p{p}"\n' for p in range(packages))
        f.write(')\n\nfunc main() {\n\tfmt.Println("ready", os.Getpid())\n\tx, m := uint64(1), map[uint64]string{}\n\tfor {\n')
        f.writelines(f"\t\tx = p{p}.All(x, m)\n" for p in range(packages))
        f.write("\t}\n}\n")


if __name__ == "__main__":
    main()
