#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names of the system calls of the machine that is compiled for: syscalls.py OUTPUT CC [ARGS...]. The preprocessor says
which it knows; the compiler puts each at its number."""
import re
import subprocess
import sys

out, cc = sys.argv[1], sys.argv[2:]
text = subprocess.run([*cc, "-E", "-dM", "-x", "c", "-"], input="#include <asm/unistd.h>\n", capture_output=True,
                      text=True, check=True).stdout
names = sorted(set(re.findall(r"^#define __NR_([a-z]\w*) ", text, re.M)) - {"syscalls", "arch_specific_syscall"})
with open(out, "w", encoding="utf-8") as f:
    f.write('/* Made by tools/syscalls.py. */\n#include "target/target_internal.h"\n\n#include <asm/unistd.h>\n\n')
    f.write("const char *const osp_syscall_names[] = {\n")
    f.writelines(f"    [__NR_{n}] = \"{n}\",\n" for n in names)
    f.write("};\nconst uint32_t osp_nsyscall = sizeof osp_syscall_names / sizeof osp_syscall_names[0];\n")
