#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey mem` on programs that take memory of a known kind and size (tests/targets/memory), and its rows beside the kernel's
count. Usage: test_mem.py OSPREY FOLDER [--releases RELEASE...]. Prints TAP."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import figures
import ready
from tap import Tap

MB = 1 << 20
TRIES = 6
# What a word of the program moves: the row that gets all of it. The others stay, but for a little.
WORDS = {"brk": "c_heap", "arenas": "c_arenas", "large": "c_large", "anon": "other", "file": "files", "shared": "shared",
         "stack": "thread_stacks", "data": "data"}
GO_WORDS = {"heap": "go_heap", "stacks": "go_stacks"}
# Goroutines are objects too.
MORE = {"stacks": 4}


class Program:
    def __init__(self, path, **env):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **env))
        self.pid = self.process.pid

    def ask(self, kind, mb=0):
        self.process.stdin.write(f"{kind} {mb}\n")
        self.process.stdin.flush()
        answer = []
        while (line := self.process.stdout.readline().strip()) != "done":
            if not line or line == "what?":
                raise RuntimeError(f"{kind}: {line or 'it has ended'}")
            answer.append(line)
        return answer

    def __enter__(self):
        self.ask("heap" if "c-" not in self.process.args[0] else "brk", 0)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def ledger(osprey, pid, *options):
    run = subprocess.run([osprey, "mem", str(pid), "--json", *options], capture_output=True, text=True, timeout=120,
                         check=False)
    if run.returncode:
        raise RuntimeError(run.stderr)
    answer = json.loads(run.stdout)
    answer["of"] = {row["kind"]: row["resident_bytes"] for row in answer["rows"]}
    return answer


def kernel(pid):
    """VmRSS, which is kept by each CPU for itself and so is off by some pages."""
    for line in open(f"/proc/{pid}/status", encoding="utf-8"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS")


def adds_up(answer, pid):
    total, said = sum(answer["of"].values()), kernel(pid)
    if total != answer["resident_bytes"]:
        return f"rows {total}, resident {answer['resident_bytes']}"
    return "" if abs(total - said) < 2 * MB + said / 50 else f"resident {total}, the kernel says {said}"


def moved(before, after, row, mb, slack=1.5):
    """All of it came to that row and little to any other."""
    wrong = []
    for kind, now in after["of"].items():
        grew = (now - before["of"][kind]) / MB
        if abs(grew - (mb if kind == row else 0)) > slack + mb / 30:
            wrong.append(f"{kind} grew by {grew:.1f} MB")
    return ", ".join(wrong)


def each_word_moves_its_row(tap, name, osprey, program, words):
    for word, row in words.items():
        with Program(program) as p:
            p.ask("data" if "data" in words and word != "data" else word, 1)
            before = ledger(osprey, p.pid)
            p.ask(word, 40)
            after = ledger(osprey, p.pid)
            wrong = moved(before, after, row, 40, MORE.get(word, 1.5)) or adds_up(after, p.pid)
            tap.case(f"{name}: 40 MB of {word} are {row}", not wrong, wrong)


def of_the_go_heap(tap, name, osprey, program):
    with Program(program) as p:
        p.ask("heap", 2)
        before = ledger(osprey, p.pid)
        p.ask("untouched", 40)
        after = ledger(osprey, p.pid)
        grew = (after["go"]["untouched_bytes"] - before["go"]["untouched_bytes"]) / MB
        wrong = moved(before, after, None, 0)
        tap.case(f"{name}: what was never touched is not resident", not wrong and abs(grew - 40) < 2, wrong, grew)
    for env, row in (({"GODEBUG": "madvdontneed=0"}, "go_returned"), ({"GODEBUG": "madvdontneed=1"}, None)):
        with Program(program, **env) as p:
            p.ask("heap", 2)
            p.ask("return", 1)
            before = ledger(osprey, p.pid)
            p.ask("return", 40)
            after = ledger(osprey, p.pid)
            lazy = (after["lazy_free_bytes"] - before["lazy_free_bytes"]) / MB
            wrong = moved(before, after, row, 40) or adds_up(after, p.pid)
            ok = not wrong and abs(lazy - (40 if row else 0)) < 3
            tap.case(f"{name}: 40 MB given back, {env['GODEBUG']}", ok, wrong, f"lazily freed {lazy} MB")
    idle_is_what_it_says(tap, name, osprey, program)
    classes_are_its_own(tap, name, osprey, program)


def classes_of(p):
    return {k: int(v) for k, v in (line.split() for line in p.ask("classes"))}


def idle_is_what_it_says(tap, name, osprey, program):
    """The scavenger gives it back meanwhile, so it is asked before and after."""
    free = "/memory/classes/heap/free:bytes"
    seen = []
    with Program(program) as p:
        p.ask("heap", 2)
        for _ in range(TRIES):
            p.ask("idle", 60)
            before = classes_of(p)[free] / MB
            ours = ledger(osprey, p.pid)["of"]["go_idle"] / MB
            after = classes_of(p)[free] / MB
            seen.append((before, ours, after))
            if before > 5 and after - 2 < ours < before + 2:
                break
        else:
            tap.case(f"{name}: idle pages", False, seen)
            return
    tap.case(f"{name}: idle pages", True)


def classes_are_its_own(tap, name, osprey, program):
    """Printing them takes some objects out of the free slots of the heap."""
    with Program(program) as p:
        p.ask("heap", 5)
        for _ in range(TRIES):
            p.ask("classes")
            theirs = classes_of(p)
            ours = ledger(osprey, p.pid)["go"]["classes"]
            wrong = [f"{k}: {theirs[k]} | {ours.get(k)}" for k in theirs
                     if abs(theirs[k] - ours.get(k, -1)) > (256 << 10 if "objects" in k or "unused" in k else 0)]
            if not wrong and theirs.keys() == ours.keys():
                break
        tap.case(f"{name}: runtime/metrics' classes of memory", not wrong, *wrong)


def growth_is_shown(tap, osprey, program):
    with Program(program) as p:
        watch = subprocess.Popen([osprey, "mem", str(p.pid), "-i", "0.2", "-d", "2"], stdout=subprocess.PIPE, text=True)
        watch.stdout.readline()
        watch.stdout.readline()
        p.ask("anon", 30)
        lines = watch.communicate(timeout=60)[0].splitlines()
        tap.case("lines for intervals show what grew", any("+30 MB" in line for line in lines), *lines)
        screen = subprocess.run([osprey, "mem", str(p.pid), "--maps"], capture_output=True, text=True, check=True).stdout
        tap.case("a mapping of 30 MB is listed", "30 MB     30 MB  not known" in screen, screen)


def a_core_has_the_same_rows(tap, name, osprey, program, words):
    if not shutil.which("gcore"):
        tap.skip(f"{name}: a core", "there is no gcore")
        return
    with Program(program) as p, tempfile.TemporaryDirectory() as folder:
        for i, word in enumerate(words):
            p.ask(word, 4 + 4 * i)
        live = ledger(osprey, p.pid)["of"]
        subprocess.run(["gcore", "-o", f"{folder}/core", str(p.pid)], capture_output=True, check=False)
        core = ledger(osprey, f"{folder}/core.{p.pid}")["of"]
        wrong = [f"{kind}: {live[kind] / MB:.1f} MB, {core[kind] / MB:.1f} MB in the core" for kind in live
                 if kind != "files" and abs(live[kind] - core[kind]) > 2 * MB]
        tap.same(f"{name}: a core has the same rows", wrong)


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    tap = Tap()
    if sys.argv[3:4] == ["--releases"]:
        for release, kind, program in figures.programs(tap, folder, sys.argv[4:], "memory"):
            each_word_moves_its_row(tap, f"{release} {kind}", osprey, str(program), GO_WORDS)
            of_the_go_heap(tap, f"{release} {kind}", osprey, str(program))
        sys.exit(tap.end())
    ready.build_targets(folder, "memory", "memory-cgo", "memory-pie-stripped", "c-memory")
    each_word_moves_its_row(tap, "C", osprey, str(folder / "c-memory"), WORDS)
    each_word_moves_its_row(tap, "cgo", osprey, str(folder / "memory-cgo"), dict(WORDS, **GO_WORDS) | {"brk": "c_heap"})
    for name in ("memory", "memory-pie-stripped"):
        each_word_moves_its_row(tap, name, osprey, str(folder / name), GO_WORDS)
    for name in ("memory", "memory-cgo", "memory-pie-stripped"):
        of_the_go_heap(tap, name, osprey, str(folder / name))
    a_core_has_the_same_rows(tap, "cgo", osprey, str(folder / "memory-cgo"),
                             ("stack", "brk", "arenas", "large", "anon", "data", "heap", "stacks"))
    growth_is_shown(tap, osprey, str(folder / "c-memory"))
    sys.exit(tap.end())


if __name__ == "__main__":
    main()
