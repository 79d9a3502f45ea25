#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Count what a test run did, from meson's testlog.json.

Prints why tests failed, which were skipped and for what reason, and last the plain line `N passed, N failed`. What
is counted: each test case of a program that speaks TAP, each other program as one. A program that dies, times out or
fails without a failed case counts as one failure. Exit status 1 if anything failed or nothing ran.
"""
import json
import re
import sys

CASE = re.compile(r"(not )?ok\b\s*(\d+)?\s*(?:- )?([^#]*?)\s*(?:#\s*(SKIP|T.DO)\S*\s*(.*))?$", re.IGNORECASE)
PLAN_SKIP = re.compile(r"1\.\.0\s*#\s*SKIP\S*\s*(.*)", re.IGNORECASE)
BAD = {"FAIL", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS", "ERROR"}


def is_tap(text):
    return re.search(r"^1\.\.\d+", text, re.MULTILINE) is not None


def count(run):
    """(passed, [failed], [(skipped, reason)]) of one program."""
    name, text = run["name"], run.get("stdout") or ""
    passed, failed, skipped = 0, [], []
    last_words = [line.strip() for line in text.splitlines() if line.strip()]
    if is_tap(text):
        before = ""
        for line in text.splitlines():
            case = CASE.match(line)
            if PLAN_SKIP.match(line):
                skipped.append((name, PLAN_SKIP.match(line).group(1)))
            elif case and (case.group(4) or "").upper() == "SKIP":
                label = case.group(3) or case.group(5)
                reason = case.group(5) if case.group(3) else before.lstrip("# ")
                skipped.append((f"{name}: {label}", reason))
            elif case and not case.group(1):
                passed += 1
            elif case:
                failed.append(f"{name}: {case.group(3)}")
            else:
                before = line
                continue
            before = ""
        # cmocka 1.1.5 writes a skip as "not ok # SKIP", which meson takes for a failure; the exit status knows better.
        only_skips = run.get("returncode") == 0 and skipped and run["result"] == "FAIL"
        if run["result"] in BAD and not failed and not only_skips:
            failed.append(f"{name}: {run['result'].lower()}, exit status {run.get('returncode')}")
    elif run["result"] in BAD:
        failed.append(f"{name}: {run['result'].lower()}, exit status {run.get('returncode')}")
    elif run["result"] == "SKIP":
        skipped.append((name, last_words[-1] if last_words else "no reason given"))
    else:
        passed = 1
    return passed, failed, skipped


def main(path):
    passed, failed, skipped = 0, [], []
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            run = json.loads(line)
            p, bad, skips = count(run)
            passed += p
            failed += bad
            skipped += skips
            if bad:
                words = (run.get("stdout") or "") + (run.get("stderr") or "")
                tail = [w for w in words.splitlines() if not w.startswith("ok ")][-60:]
                print(f"\n--- {run['name']}: {' '.join(run.get('command', []))}")
                print("\n".join(tail))
    print()
    for name in failed:
        print(f"FAILED   {name}")
    for name, reason in skipped:
        print(f"skipped  {name}: {reason or 'no reason given'}")
    if skipped:
        print(f"{len(skipped)} skipped")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


sys.exit(main(sys.argv[1]))
