#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of STYLE.md that a program can check. Usage: house.py REPOSITORY. Prints TAP, a case a rule."""
import os
import pathlib
import re
import sys

CODE = {".c", ".h", ".cc", ".inc", ".def"}
SCRIPTS = {".py", ".sh", ".go"}
TEXT = CODE | SCRIPTS | {".md", ".build", ".txt", ".yml", ""}

# Calls that no file may make: unsafe, unbounded, not thread-safe, or of the locale.
BANNED = "strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atof gets system popen localtime gmtime ctime " \
         "asctime mktemp tmpnam alloca strerror rand"
# Calls of rooms that may not print or exit: all but cli.
MAY_LEAVE = ("src/draw/graphviz.c", "src/target/freeze.c")  # a child of its own
ONLY_CLI = "exit _exit abort perror printf vprintf puts putchar err errx warn warnx"


def files(root):
    for folder, names, found in os.walk(root):
        names[:] = sorted(n for n in names if not n.startswith((".", "build")) and n not in ("__pycache__", "data",
                                                                                             "corpus"))
        for name in sorted(found):
            path = pathlib.Path(folder, name)
            if path.suffix in TEXT and not name.startswith(".") and not path.is_symlink():
                yield path


def without_comments(text):
    """C source with comments and literals blanked; line numbers stay."""
    blank = lambda m: re.sub(r"[^\n]", " ", m.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.DOTALL)


def calls(path, text, names):
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\(")
    for number, line in enumerate(without_comments(text).splitlines(), 1):
        for m in pattern.finditer(line):
            yield f"{path}:{number}: {m.group(1)}()"


def licences(root, sources):
    for path, text in sources:
        if path.suffix not in CODE | SCRIPTS and path.name != "dev":
            continue
        want = "Apache-2.0"
        if path.parts[0] == "bpf":
            want = "BSD-2-Clause OR GPL-2.0-only"
        if f"SPDX-License-Identifier: {want}" not in "\n".join(text.splitlines()[:3]):
            yield f"{path}:1: no `SPDX-License-Identifier: {want}`"


def banned_calls(root, sources):
    for path, text in sources:
        if path.suffix in CODE and path.parts[:2] not in (("tests", "targets"), ("tests", "why")) and path.parts[0] != "demo":
            yield from calls(path, text, BANNED)


def prints_and_exits(root, sources):
    for path, text in sources:
        if path.suffix not in CODE or path.parts[0] != "src" or path.parts[1] == "cli":
            continue
        yield from calls(path, text, ONLY_CLI.replace("_exit ", "") if str(path) in MAY_LEAVE else ONLY_CLI)
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            if re.search(r"\b(stderr|stdout)\b", line):
                yield f"{path}:{number}: writes to a standard stream"


def machine_paths(root, sources):
    """Paths of the machine somebody worked on."""
    pattern = re.compile("/" + "work/|/" + "farm/|/tmp/" + "(?:bash_jobs|b-)|/home/[a-z]")
    for path, text in sources:
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                yield f"{path}:{number}: {line.strip()[:80]}"


def open_ends(root, sources):
    pattern = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b")
    for path, text in sources:
        if path.suffix not in CODE | SCRIPTS:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                yield f"{path}:{number}: {line.strip()[:80]}"


def sizes(root, sources):
    for path, text in sources:
        n = text.count("\n")
        if path.suffix in CODE and n > 1500:
            yield f"{path}: {n} lines; is there a second file inside?"


def fuzzers(root, sources):
    folder = root / "tests" / "fuzz"
    listed = set(re.findall(r"^\s*'(\w+)':", (folder / "meson.build").read_text(encoding="utf-8"), re.MULTILINE))
    targets = {p.stem[len("fuzz_"):] for p in folder.glob("fuzz_*.c*")}
    corpora = {p.name for p in (folder / "corpus").iterdir() if p.is_dir() and any(p.iterdir())}
    for name in sorted(targets | listed | corpora):
        for group, what in ((targets, f"no fuzz_{name}.c"), (listed, "no line in tests/fuzz/meson.build"),
                            (corpora, f"no seeds in tests/fuzz/corpus/{name}/")):
            if name not in group:
                yield f"fuzz target {name}: {what}"


RULES = [
    (licences, "every source names its licence"),
    (banned_calls, "nothing calls what STYLE.md forbids"),
    (prints_and_exits, "only cli prints and exits"),
    (machine_paths, "nothing names a path of one machine"),
    (open_ends, "no open end is left in the sources"),
    (sizes, "every file can be held in the head"),
    (fuzzers, "every fuzz target is listed and has seeds"),
]


def main(root):
    root = pathlib.Path(root)
    sources = [(p.relative_to(root), p.read_text(encoding="utf-8", errors="replace")) for p in files(root)]
    print(f"1..{len(RULES)}")
    failed = False
    for number, (rule, name) in enumerate(RULES, 1):
        bad = list(rule(root, sources))
        for line in bad:
            print("#", line)
        print("not ok" if bad else "ok", f"{number} - {name}")
        failed |= bool(bad)
    return 1 if failed else 0


sys.exit(main(sys.argv[1]))
