#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey top` on a pty, on live programs with known truths: what burns stands on the first screens, keys lead where they
say, the terminal is given back however it ends, and little is sent.

Usage: test_top.py OSPREY FOLDER [NAME...]. FOLDER is where tests/targets/build.sh puts the programs. Needs Go, and rights to
sample; else it is skipped, and says why. Prints TAP."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios

from screen import Screen
from tap import Tap

HERE = pathlib.Path(__file__).resolve().parent
REFRESHES = 6  # after so many at a fifth of a second each something that burns a CPU must be on the screen

# program, its busiest function
BUSY = [(["cgo-c-spin"], "crunch_block"), (["cgo-native-thread"], "pulse_mix"), (["clock-storm"], "__vdso_clock_gettime"),
        (["c-compute"], None), (["spin-select"], "main.(*hub).dispatch")]


class Target:
    """A program that runs while its block does. It prints a line when it has begun."""

    def __init__(self, words):
        self.words = words

    def __enter__(self):
        self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if b"resident" in os.fsencode(self.words[0]):
            self.process.stdin.write(b"\n")
            self.process.stdin.flush()
        self.process.stdout.readline()
        self.pid = self.process.pid
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Top(Screen):
    def __init__(self, osprey, *words, **more):
        super().__init__([osprey, "top", *map(str, words)], **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def left_whole(self):
        """What it left behind that was not there before; nothing if it cleaned up."""
        now = termios.tcgetattr(self.fd)
        if self.alternate or self.cursor_hidden:
            return f"alternate screen {self.alternate}, cursor hidden {self.cursor_hidden}"
        return "" if now == self.before else "the terminal has other settings"

    def quit(self):
        self.press("q")
        status = self.end()
        return self.left_whole() if status == 0 else f"exit status {status}"


def has(word):
    return lambda text: word in text


def seen(text, name):
    """A function stands on the screen, perhaps without the head of its name."""
    return name in text or any(line.split("…", 1)[1].split(" ")[0] and name.endswith(line.split("…", 1)[1].split(" ")[0])
                               for line in text.split("\n") if "…" in line)


def busy(osprey, folder, words, name):
    with Target([folder / words[0], *words[1:]]) as target, Top(osprey, target.pid, "-d", "0.2") as top:
        if not top.wait(has(f"{words[0]} {target.pid} · "), 60):
            return f"no head: {top.text()}"
        if not top.wait(lambda text: "samples in" in text and "0 samples" not in text, 60):
            return f"no samples: {top.text()}"
        if name and not top.wait(lambda text: seen(text, name), 60):
            return f"no {name}: {top.text()}"
        top.read(0.2 * REFRESHES)
        row = [line for line in top.lines()[3:8] if name and seen(line, name)]
        if name and not row:
            return f"{name} is not among the first: {top.text()}"
        return f"{top.unknown}" if top.unknown else top.quit()


def keys(osprey, folder):
    with Target([folder / "cgo-c-spin"]) as target, Top(osprey, target.pid, "-d", "0.2") as top:
        steps = [("", lambda t: "crunch_block" in t, "functions"),
                 ("t", lambda t: "threads by cpu" in t and re.search(rf"^ *{target.pid} .* cgo-c-spin", t, re.M), "threads"),
                 ("\r", lambda t: "functions by self · thread" in t and "crunch_block" in t, "functions of a thread"),
                 ("\x1b", lambda t: "threads by cpu" in t, "back to threads"),
                 ("g", lambda t: "goroutine groups by cpu" in t and "main.main.gowrap1" in t, "groups"),
                 ("\r", lambda t: "functions by self · main.main" in t and "crunch_block" in t, "functions of a group"),
                 ("s", lambda t: "functions by total" in t, "another order"),
                 ("/crunch_bl\r", lambda t: "/crunch_bl" in t and "crunch_block" in t and "runtime.goexit" not in t, "a filter"),
                 ("\r", lambda t: "callers and callees" in t and "← crunch_plane" in t, "callers"),
                 ("\x1b\x1b", lambda t: "/crunch_bl" not in t, "the filter dropped"),
                 ("?", lambda t: "osprey top: keys" in t and "q           quit" in t, "help"),
                 ("x", lambda t: "osprey top: keys" not in t, "no help"),
                 ("p", lambda t: "paused" in t, "a pause"),
                 ("p", lambda t: "paused" not in t, "going on"),
                 ("\x1a", lambda t: "functions by" in t, "a stop and going on")]
        for press, what, name in steps:
            top.press(press)
            if not top.wait(what, 60):
                return f"no {name}: {top.text()}"
        first = top.marked()
        for press in ("\x1b[B", "j", "\x1b[6~", "\x1b[5~", "\x1bOB", "k", "\x1b[F", "\x1b[H"):
            top.press(press)
            top.read(0.1)
        top.press("\x1b[B")
        if not top.wait(lambda _: top.marked() != first and top.marked(), 60):
            return "the cursor does not move"
        return f"{top.unknown}" if top.unknown else top.quit()


def waiting(osprey, folder):
    """50 goroutines wait for ever in main.parked: 50 seconds a second, on a channel."""
    words = [folder / "waits", "-parked", "50"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as target, \
            Top(osprey, target.pid, "-d", "0.2") as top:
        try:
            if not top.wait(has("WAIT s/s"), 60):
                return f"no waiting: {top.text()}"
            top.read(2)
            steps = [("r", r"^ *(4[5-9]|5\d)\.\d\d +\d+ chan receive", "the reason"),
                     ("\r", r"^.* (4[5-9]|5\d)\.\d\d main\.parked", "its functions"),
                     ("\x1bg", r"^ *\d\.\d +(4[5-9]|5\d)\.\d\d +50 .*main\.parked +chan receive", "the group of goroutines")]
            for press, line, name in steps:
                top.press(press)
                if not top.wait(lambda text, what=line: re.search(what, text, re.M), 60):
                    return f"{name} is not there: {top.text()}"
            return top.quit()
        finally:
            target.kill()


def why(osprey, folder):
    with Target([folder / "cgo-c-spin"]) as target, Top(osprey, target.pid) as top:
        top.wait(has("crunch_block"), 60)
        top.press("w")
        if not top.wait(has("press a key to go back"), 60):
            return f"no page: {top.text()}"
        if top.alternate:
            return "it is not on the ordinary screen"
        top.press(" ")
        return top.quit() if top.wait(lambda t: top.alternate and "functions by self" in t, 60) else "it does not come back"


def processes(osprey, folder):
    with Target([folder / "clock-storm"]) as one, Target([folder / "resident"]) as two, Top(osprey, "-d", "0.2") as top:
        if not top.wait(lambda t: f" {one.pid} " in t and f" {two.pid} " in t, 60):
            return f"not both are listed: {top.text()}"
        top.press("/clock-st\r")
        if not top.wait(lambda t: f" {two.pid} " not in t, 60):
            return f"no filter: {top.text()}"
        top.press("\r")
        if not top.wait(lambda t: f"clock-storm {one.pid}" in t and "main." in t, 60):
            return f"it does not open: {top.text()}"
        top.press("\x1b")
        if not top.wait(lambda t: "processes by cpu" in t and f" {one.pid} " in t, 60):
            return f"no way back: {top.text()}"
        top.press("\x1ba")
        return top.quit() if top.wait(has(" 1 "), 60) else f"a shows no others: {top.text()}"


def any_size(osprey, folder):
    with Target([folder / "cgo-c-spin"]) as target, Top(osprey, target.pid, "-d", "0.2") as top:
        top.wait(has("crunch_block"), 60)
        for columns, rows in ((20, 5), (40, 12), (100, 40), (3, 1), (250, 80), (80, 24)):
            top.resize(columns, rows)
            top.read(0.5)
            if columns > 10 and not top.wait(lambda t: seen(t, "crunch_block"), 60):
                return f"{columns} x {rows}: {top.text()}"
        return top.quit()


def signals(osprey, folder):
    with Target([folder / "clock-storm"]) as target:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGSEGV, signal.SIGABRT):
            with Top(osprey, target.pid) as top:
                top.wait(has("main."), 60)
                os.kill(top.pid, number)
                status, wrong = top.end(), top.left_whole()
                if wrong or status in (None, 0):
                    return f"{number.name}: status {status}, {wrong}"
                if number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) and status != -number:
                    return f"{number.name}: a shell would see {status}"
    return ""


def the_end_of_the_process(osprey, folder):
    with Target([folder / "clock-storm"]) as target, Top(osprey, target.pid, "-d", "0.2") as top:
        top.wait(has("main.waitUntil"), 60)
        target.process.kill()
        if not top.wait(lambda t: "it has ended" in t and "main.waitUntil" in t, 60):
            return f"{top.text()}"
        top.press("t")
        return top.quit() if top.wait(has("threads by cpu"), 60) else f"no threads: {top.text()}"


def little_is_sent(osprey, folder):
    with Target([folder / "shares"]) as target, Top(osprey, target.pid, "-d", "0.5") as top:
        top.wait(has("samples in"), 60)
        top.read(3)
        before = top.sent
        top.read(5)
        rate = (top.sent - before) / 10
        print(f"# {rate:.0f} bytes a refresh, {before} for the first seconds")
        return top.quit() if rate < 1500 else f"{rate:.0f} bytes a refresh"


def plain(osprey, folder):
    with Target([folder / "cgo-c-spin"]) as target:
        for words in ([target.pid, "-d", "0.5", "-n", "2"], ["-d", "0.3", "-n", "2"]):
            run = subprocess.run([osprey, "top", *map(str, words)], capture_output=True, check=False, timeout=120)
            if run.returncode or b"\x1b" in run.stdout or run.stdout.count(b"cgo-c-spin") < 2:
                return f"{words}: {run.returncode} {run.stdout} {run.stderr}"
        answer = json.loads(subprocess.run([osprey, "top", str(target.pid), "--json"], capture_output=True, check=True,
                                           timeout=120).stdout)
        if answer["functions"][0]["name"] != "crunch_block" or answer["process"]["pid"] != target.pid or \
                not any(t["tid"] == target.pid for t in answer["threads"]) or not answer["groups"]:
            return f"{answer}"
        with Top(osprey, target.pid, "-d", "0.5", "-n", "1", env={"TERM": "dumb"}) as top:
            status = top.end()
            return "" if status == 0 and "crunch_block" in top.text() and not top.alternate else f"{status}: {top.text()}"


def without_colour_or_utf8(osprey, folder):
    with Target([folder / "cgo-c-spin"]) as target:
        with Top(osprey, target.pid, env={"NO_COLOR": "1"}) as top:
            top.wait(has("crunch_block"), 60)
            looks = {number for row in top.looks for look in row for number in look.split(";")}
            if looks - {"", "0", "1", "7"}:
                return f"NO_COLOR: {looks}"
        with Top(osprey, target.pid, env={"LC_ALL": "C"}) as top:
            top.wait(has("crunch_block"), 60)
            return "" if top.text().isascii() else f"no ASCII: {top.text()}"


def hostile_name(osprey, folder):
    with tempfile.TemporaryDirectory() as place:
        name = os.path.join(place, "a\x1b[31m\x1b]0;x\x07\n")
        shutil.copy(folder / "clock-storm", name)
        with Target([name]) as target, Top(osprey, "-d", "0.2") as top:
            top.wait(has(f" {target.pid} "), 60)
            if top.unknown or "a?[31m" not in top.text():
                return f"{top.unknown} {top.text()}"
            return top.quit()


def no_such_process(osprey, _):
    with Top(osprey, 2 ** 22 + 1) as top:
        status = top.end()
        return "" if status == 1 and "no such process" in top.text() and not top.left_whole() else f"{status}: {top.text()}"


def unable(osprey):
    """Why this cannot run here, or nothing."""
    if not shutil.which("go"):
        return "there is no go"
    run = subprocess.run([osprey, "record", str(os.getpid()), "-d", "0.1", "-o", os.devnull], capture_output=True, text=True,
                         timeout=120, check=False)
    return "" if run.returncode == 0 or "no samples" in run.stderr else f"this user cannot sample here: {run.stderr.strip()}"


def main():
    osprey, folder, only = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute(), sys.argv[3:]
    reason = unable(osprey)
    if reason:
        print(f"1..0 # SKIP {reason}")
        return
    built = subprocess.run([HERE.parent / "targets" / "build.sh", folder], capture_output=True, text=True, check=False)
    if built.returncode:
        sys.exit(f"Bail out! the targets cannot be built: {built.stderr[-500:]}")
    cases = [(f"{words[0]} shows what burns", lambda w=words, n=name: busy(osprey, folder, w, n)) for words, name in BUSY]
    for test in (keys, waiting, why, processes, any_size, signals, the_end_of_the_process, little_is_sent, plain,
                 without_colour_or_utf8, hostile_name, no_such_process):
        cases.append((test.__name__.replace("_", " "), lambda t=test: t(osprey, folder)))
    cases = [c for c in cases if not only or any(o in c[0] for o in only)]
    tap = Tap()
    for name, test in cases:
        wrong = test()
        tap.case(name, not wrong, wrong)
    sys.exit(tap.end())


if __name__ == "__main__":
    main()
