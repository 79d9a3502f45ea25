#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare what osprey prints with the kept screens.

    golden.py OSPREY FOLDER [--update] [AREA[/NAME]...]

A case is FOLDER/AREA/NAME.sh, run by sh in an empty directory with osprey first in PATH, $SRC the repository. Beside it:

    NAME.stdout.exact   the output, byte for byte          NAME.stderr.exact, .glob   the same for stderr
    NAME.stdout.glob    lines with * and ?; a line `...`   NAME.exit                  the exit status, if not 0
                        stands for any number of lines

What is not kept must be empty. --update keeps what is printed now (a .glob is only changed where it no longer
matches). Prints TAP.
"""
import fnmatch
import os
import pathlib
import subprocess
import sys
import tempfile


def glob_match(want, got):
    """Lines against patterns; `...` takes any number of lines."""
    rest = [got]
    for pattern in want:
        if pattern == "...":
            rest = [g[i:] for g in rest[:1] for i in range(len(g) + 1)]
        else:
            escaped = pattern.replace("[", "[[]")
            rest = [g[1:] for g in rest if g and fnmatch.fnmatchcase(g[0], escaped)]
        if not rest:
            return False
    return any(not g for g in rest)


def run(case, osprey, root):
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    env |= {"PATH": f"{osprey.parent}:{env['PATH']}", "SRC": str(root), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
    with tempfile.TemporaryDirectory() as empty:
        p = subprocess.run(["sh", str(case)], cwd=empty, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=300, check=False)
    return {"stdout": p.stdout.decode(errors="replace"), "stderr": p.stderr.decode(errors="replace"),
            "exit": p.returncode}


def compare(case, got, update):
    """The differences, as lines; with update they are kept instead."""
    wrong = []
    for stream in ("stdout", "stderr"):
        exact, glob = case.with_suffix(f".{stream}.exact"), case.with_suffix(f".{stream}.glob")
        if glob.exists():
            ok = glob_match(glob.read_text(encoding="utf-8").splitlines(), got[stream].splitlines())
            kept = glob
        else:
            ok = (exact.read_text(encoding="utf-8") if exact.exists() else "") == got[stream]
            kept = exact
        if ok:
            continue
        if update and got[stream]:
            kept.write_text(got[stream], encoding="utf-8")
        elif update:
            kept.unlink(missing_ok=True)
        else:
            wrong += [f"{stream} is not as {kept.name} says, but:"] + got[stream].splitlines()
    status = case.with_suffix(".exit")
    if (int(status.read_text(encoding="utf-8")) if status.exists() else 0) != got["exit"]:
        if not update:
            wrong.append(f"exit status {got['exit']}")
        elif got["exit"]:
            status.write_text(f"{got['exit']}\n", encoding="utf-8")
        else:
            status.unlink()
    return wrong


def main(words):
    update = "--update" in words
    words = [w for w in words if w != "--update"]
    if len(words) < 2:
        sys.exit(__doc__)
    osprey, folder = pathlib.Path(words[0]).resolve(), pathlib.Path(words[1]).resolve()
    cases = sorted(folder.glob("*/*.sh"))
    if words[2:]:
        wanted = [w.removesuffix(".sh") for w in words[2:]]
        cases = [c for c in cases if c.parent.name in wanted or f"{c.parent.name}/{c.stem}" in wanted]
    print(f"1..{len(cases)}")
    failed = False
    for number, case in enumerate(cases, 1):
        wrong = compare(case, run(case, osprey, folder.parent.parent), update)
        failed |= bool(wrong)
        for line in wrong:
            print("#", line)
        print("not ok" if wrong else "ok", f"{number} - {case.parent.name}/{case.stem}")
    return 1 if failed or not cases else 0


sys.exit(main(sys.argv[1:]))
