#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The matrix: `osprey why` on programs with known faults and on their healthy twins.

Each program is made with random names and sizes (programs/, matrix.toml), runs beside a process that wants a CPU too, and
is judged by its row: the verdict that comes first, the culprit, the exit status, the evidence, and that the program goes
on unharmed. Prints TAP; a failed case is had again by its seed. With --prove osprey is not asked: what /proc, the program,
perf and strace say of the fault is compared with the row's truth.

Needs Go, a C compiler and the rights to sample. What a machine does not allow is skipped, with the reason."""
import argparse
import fnmatch
import hashlib
import json
import pathlib
import random
import re
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "live"))

import build
import rows as matrix_rows
import score
import truth
from tap import Tap
from target import Neighbour, Target, Watch, lacks, last_words

SURE = 0.6
USUAL_S, PATIENCE_S = 5, 4  # of osprey: without -d, and where that would decide something
FIELDS = {"verdict", "confidence", "summary", "evidence", "culprit", "stack", "next"}


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("osprey", help="the program to judge; with --prove or --build it is not run")
    p.add_argument("folder", type=lambda s: pathlib.Path(s).resolve(), help="where the programs are built")
    p.add_argument("--only", metavar="GLOB", action="append", help="rows, or verdicts, of these names")
    p.add_argument("--subset", metavar="K/N", help="every N-th row from the K-th; `day/N` takes another each day")
    p.add_argument("--seed", help="names and sizes (default: new ones each time)")
    p.add_argument("--repeat", type=int, default=1, metavar="N", help="each row N times, with other names and sizes")
    p.add_argument("--go", default="mixed", help="release for rows that name none: a release, `local`, or `mixed` (default)")
    p.add_argument("--quiet-host", action="store_true", help="no neighbour process")
    p.add_argument("--hard", action="store_true", help="neighbour, PID namespace, stripped programs")
    p.add_argument("--ready", action="store_true", help="only rows whose verdict this osprey knows")
    p.add_argument("--whole", type=float, metavar="SHARE", help="a fault that is missed fails nothing by itself, but so many of "
                   "them must be found first; a false alarm or a harmed program counts if it comes twice")
    p.add_argument("--table", action="store_true", help="the result as Markdown, below the cases")
    p.add_argument("--prove", action="store_true", help="ask others than osprey whether the fault is there")
    p.add_argument("--build", action="store_true", help="only build")
    p.add_argument("--list", action="store_true", help="only list the rows")
    p.add_argument("--keep", metavar="DIR", type=pathlib.Path, help="keep each answer of osprey there")
    p.add_argument("-d", "--seconds", type=float, help="observe so long instead of what the rows ask for")
    return p.parse_args()


def chosen(rows, o):
    if o.only:
        rows = [r for r in rows
                if any(fnmatch.fnmatch(r.name, g) or fnmatch.fnmatch(r.verdict or "-", g) for g in o.only)]
    if o.ready:
        known = verdicts_known(o.osprey)
        rows = [r for r in rows if not r.sick or r.verdict in known]
    if o.subset:
        k, n = o.subset.split("/")
        k, n = (time.time() // 86400 if k == "day" else int(k)), int(n)
        order = sorted(rows, key=lambda r: hashlib.sha256(r.name.encode()).digest())  # no family falls into one subset
        rows = [r for i, r in enumerate(order) if i % n == k % n]
    return rows


def verdicts_known(osprey):
    run = subprocess.run([osprey, "why", "--rules"], capture_output=True, text=True, check=True)
    return set(re.findall(r"^\s*([a-z][a-z0-9-]+)", run.stdout, re.MULTILINE))


# ---- judging -------------------------------------------------------------------------------------------------------


def malformed(answer):
    """What is wrong with the form of an answer, or ""."""
    for f in answer["findings"]:
        if not FIELDS <= set(f):
            return f"a finding lacks {sorted(FIELDS - set(f))}"
        if not 2 <= len(f["evidence"]) <= 6:
            return f"{f['verdict']} has {len(f['evidence'])} lines of evidence"
        for e in f["evidence"]:
            numbers = isinstance(e.get("value"), (int, float)) or re.search(r"\d", str(e.get("value", "")))
            if not (e.get("what") and e.get("unit") and e.get("source") and numbers):
                return f"{f['verdict']} has evidence without a number, unit or source: {e}"
    return ""


def is_meant(finding, row):
    if finding["verdict"] in row.instead:
        return True
    return finding["verdict"] == row.verdict and (not row.kind or finding.get("kind") == row.kind)


def culprit_right(finding, program):
    """None if the row names none."""
    if not program.row.culprit:
        return None
    func = finding["culprit"]["func"] or ""
    names = [program.say(name) for name in program.row.culprit.split("|")]
    if func in names:
        return True
    # A stripped native object has no names: what can be said is where in it.
    stripped = program.stripped and re.fullmatch(r"[\w.-]+\+0x[0-9a-f]+", func)
    return bool(stripped) and any("." not in name for name in names)


def chain_broken(finding, program):
    """Does the finding's stack lack what the row says of it? Names of C are gone from a stripped program."""
    wanted = [program.say(name) for name in program.row.chain]
    wanted = [name for name in wanted if "." in name or not program.stripped]
    rest = iter(finding["stack"])
    return not all(any(name == frame for frame in rest) for name in wanted)


def judge(program, run):
    """Fill what the run was worth into it."""
    row = program.row
    if run.status not in (0, 3) or run.answer is None:
        run.wrong = f"exit status {run.status}: {run.error}"
        return
    found = run.answer["findings"]
    sure = [f for f in found if f["confidence"] >= SURE]
    run.said = [(f["verdict"], f.get("kind"), f["confidence"], f["culprit"]["func"]) for f in found]
    if row.sick:
        run.place = next((i + 1 for i, f in enumerate(found) if is_meant(f, row)), 0)
        run.culprit = culprit_right(found[run.place - 1], program) if run.place else None
        run.sure_right = sum(is_meant(f, row) or f["verdict"] in row.also for f in sure)
    run.sure = len(sure)
    wanted = 3 if row.sick else 0
    problems = [malformed(run.answer)]
    run.missed = row.sick and not problems[0] and not run.harm
    if row.sick and run.place != 1:
        problems.append("it is not found" if not run.place else f"it comes as number {run.place}")
    elif row.sick and run.culprit is False:
        problems.append(f"the culprit should be {program.say(row.culprit)}")
    elif row.sick and chain_broken(found[0], program):
        problems.append(f"the stack is {found[0]['stack']}")
    if not row.sick and sure:
        problems.append("a false alarm")
    if run.status != wanted:
        problems.append(f"exit status {run.status} instead of {wanted}")
    problems.append(run.harm)
    run.wrong = "; ".join(p for p in problems if p)


class Run:
    """One row, once."""

    def __init__(self, program):
        self.program = program
        self.wrong = self.error = self.harm = ""
        self.status = self.answer = self.culprit = None
        self.missed = False  # that it is not found as it should be is all that may be wrong
        self.place = self.sure = self.sure_right = 0
        self.seconds = self.cpu = self.observed = 0.0
        self.pace = None
        self.said = []

    def short(self):
        return ", ".join(f"{v}{f' ({k})' if k else ''} {c:.2f} {f}" for v, k, c, f in self.said) or "nothing"


def ask(osprey, target, run, seconds):
    """osprey's answer, and what the program felt of it."""
    row = run.program.row
    before = time.monotonic()
    time.sleep(max(row.warm, 1.5))
    begun = time.monotonic()
    with Watch(target.pid) as watch:
        told(osprey, run, ["why", str(target.pid)] + (["-d", f"{seconds:g}"] if seconds != USUAL_S else []), seconds + 60)
    longer = run.answer is not None and "longer" in run.answer
    run.observed = seconds + (PATIENCE_S if longer else 0)
    time.sleep(0.6)
    if not target.alive():
        run.harm = "the program is gone"
        return
    (pace0, silence0), (pace1, silence1) = target.pace(before, begun), target.pace(begun, time.monotonic())
    run.pace = pace1 / pace0 if pace0 else None
    if watch.stopped > 0.05:
        run.harm = f"it was stopped for {1000 * watch.stopped:.0f} ms"
    elif silence1 > 3 * silence0 + 2 + 2 * watch.gap:
        run.harm = f"it said nothing for {silence1:.1f} s while observed, {silence0:.1f} s before"


def unable(osprey):
    """Why osprey cannot look at processes here, or ""."""
    with Neighbour() as probe:
        run = subprocess.run([osprey, "why", str(probe.process.pid), "--json", "-d", "0.2"], capture_output=True, text=True,
                             check=False)
    return "" if run.returncode in (0, 3) else run.stderr.strip() or f"exit status {run.returncode}"


# ---- the run -------------------------------------------------------------------------------------------------------


def release_for(o, seed, row, turn):
    if o.go != "mixed":
        return o.go
    able = [r for r in build.RELEASES if build.minor(r) >= row.since and build.is_here(r)]
    rng = random.Random(f"{seed}/{row.name}/release")
    return rng.choice(able) if able and (turn + rng.randrange(2)) % 2 else "local"


def programs_of(rows, o, seed):
    """[(label, program or why there is none)]"""
    out = []
    for row in rows:
        why = lacks(row)
        for turn in range(o.repeat):
            label = row.name if o.repeat == 1 else f"{row.name} #{turn + 1}"
            out.append((label, None if why else build.Program(row, f"{seed}+{turn}" if turn else seed,
                                                              release_for(o, seed, row, turn), o.hard), why))
    return out


def told(osprey, run, words, timeout):
    """osprey's answer to a question, with its time and CPU."""
    begun, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        said = subprocess.run([osprey, *words, "--json"], capture_output=True, text=True, timeout=timeout, check=False)
        run.status, run.error = said.returncode, said.stderr.strip()[-500:]
        if said.returncode in (0, 3):
            run.answer = json.loads(said.stdout)
    except (subprocess.TimeoutExpired, ValueError) as e:
        run.error = str(e)[:500]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    run.seconds = time.monotonic() - begun
    run.cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


def one(o, program):
    run = Run(program)
    if program.row.dies:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as text:
            text.write(last_words(program))
            text.flush()
            told(o.osprey, run, ["crash", text.name], 60)
        judge(program, run)
        return run
    seconds = o.seconds or program.row.seconds
    try:
        with Neighbour(not o.quiet_host), Target(program, namespace=o.hard) as target:
            ask(o.osprey, target, run, seconds)
    except OSError as e:
        run.wrong = str(e)
        return run
    judge(program, run)
    return run


def proven(program):
    if program.row.dies:
        text = last_words(program)
        found = re.search(program.row.dies, text)
        return [] if found else [f"it printed {text[-500:] or 'nothing'}"], found.group() if found else ""
    try:
        with Target(program, full=True) as target:
            time.sleep(max(program.row.warm, 1.5))
            wrong, seen = truth.prove(target, 3)
            if not target.alive():
                wrong.append("the program is gone")
    except OSError as e:
        return [str(e)], ""
    return wrong, seen


def main():
    o = options()
    seed = o.seed or f"{int(time.time()):x}"
    rows = chosen(matrix_rows.read(), o)
    if o.list:
        for row in rows:
            print(f"{row.name:34} {row.build:4} {row.go or '':10} {row.verdict or '-':26} {row.kind:18} {row.culprit}")
        return
    if not rows:
        print("1..0 # SKIP no row is chosen")
        return
    why = "" if o.prove or o.build else unable(o.osprey)
    if why:
        print(f"1..0 # SKIP {why}")
        return
    plan = programs_of(rows, o, seed)
    print(f"# seed {seed}", flush=True)
    unbuilt = build.build_all([p for _, p, _ in plan if p], o.folder)
    tap, runs = Tap(), []
    for label, program, why in plan:
        what = program.what() if program and program not in unbuilt else ""
        what = f" ({what})" if what else ""
        if not program or (program in unbuilt and "cannot be had" in unbuilt[program]):
            tap.skip(label, why or unbuilt[program])
        elif program in unbuilt:
            tap.case(label + " is built", False, unbuilt[program])
        elif o.build:
            tap.case(f"{label} is built: {program.path}", True)
        elif o.prove:
            wrong, seen = proven(program)
            tap.case(f"{label} is so{what}: {seen}", not wrong, *wrong)
        else:
            run = one(o, program)
            if o.whole and run.wrong and not run.missed:
                print(f"# {label}: {run.wrong}; once more", flush=True)
                run = one(o, program)
            runs.append(run)
            if o.whole and run.wrong and run.missed:
                tap.skip(f"{label} is found{what}", f"missed, and counted below: {run.wrong}; said {run.short()}")
                continue
            tap.case(f"{label} is {'found' if program.row.sick else 'healthy'}{what}", not run.wrong, run.wrong,
                     f"said {run.short()}", f"again: --seed {program.seed} --only '{program.row.name}' --go {program.release}")
            if o.keep and run.answer:
                o.keep.mkdir(parents=True, exist_ok=True)
                (o.keep / f"{label.replace('/', '_').replace(' ', '')}.json").write_text(json.dumps(run.answer, indent=1),
                                                                                       encoding="utf-8")
    sick = [r for r in runs if r.program.row.sick]
    if o.whole and sick:
        first = sum(r.place == 1 for r in sick)
        tap.case(f"{first} of {len(sick)} faults are found first", first >= o.whole * len(sick), f"at least {o.whole:.0%} should be")
    failed = tap.end()
    if o.table:
        print(score.table(runs))
    sys.exit(failed)


if __name__ == "__main__":
    main()
