#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey record` on live programs with known truths, read back by the peer. Usage: test_sampler.py OSPREY FOLDER [NAME...]

FOLDER is where tests/targets/build.sh puts the programs. Each case runs by BPF and by the fallback without it. Needs
Go, and the right to sample; else it is skipped, and says why. Prints TAP."""
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import stacks
from ready import build_targets
from tap import Tap

SECONDS = "1.5"


# The share of all samples that must be in the program's work: the rest are the Go runtime's own threads, more of them on
# a crowded host. What is in the work must be whole in 99 of 100.
TYPICAL = 0.9


def every(test, least=None):
    """At least that share of all samples passes."""
    return lambda found, _: [] if stacks.share(found, test) >= (least or TYPICAL) else [
        f"only {stacks.share(found, test):.2%} of {sum(s.value for s in found)}; first that fails: " +
        str(next(s.frames for s in found if not test(s)))]


def all_of(*checks):
    return lambda found, told: [line for c in checks for line in c(found, told)]


def some(test, what):
    return lambda found, _: [] if any(test(s) for s in found) else [f"no sample {what}"]


def when(condition, test, least=0.99):
    """Of the samples that meet the condition (some must), that share passes the test."""
    def check(found, _):
        those = [s for s in found if condition(s)]
        if not those:
            return ["no sample meets the condition"]
        return every(test, least)(those, _)
    return check


def caller(stack):
    """Of the leaf; "" where there is none."""
    return stack.frames[1] if len(stack.frames) > 1 else ""


def leaf(*names):
    return lambda s: s.frames[0] in names


def shares(found, told):
    """The C side's share against what the program measured itself around both calls, within five standard errors."""
    truth = [float(t) for t in re.findall(r"c=([\d.]+)", told)][-1]
    found = [s for s in found if "main.viaC" in s.frames or "main.heavyGo" in s.frames]
    n = max(1, sum(s.value for s in found))
    got = stacks.share(found, lambda s: "main.viaC" in s.frames)
    allowed = 5 * math.sqrt(truth * (1 - truth) / n) + 0.01
    return [] if abs(got - truth) <= allowed else [f"C's share is {got:.3f}, the truth {truth:.3f} ± {allowed:.3f}"]


def labels(found, _):
    bad = []
    for function, want in [("main.burnA", ("/a", "blue")), ("main.burnB", ("/b", None)), ("main.burnC", (None, None))]:
        those = [s for s in found if function in s.frames]
        if not those:
            bad.append(f"{function} was never seen")
        for s in those:
            if (s.labels.get("route"), s.labels.get("tenant")) != want:
                bad.append(f"{function} has labels {s.labels}")
            if "goroutine" not in s.labels:
                bad.append(f"{function} has no goroutine")
    return bad[:3]


GO_ROOT = ("runtime.goexit", "runtime.main", "main.main")

# name, command, check, works without BPF too
CASES = [
    ("Go, four deep, calls C, three deep", ["cgo-deep"],
     all_of(every(lambda s: "c_burn" in s.frames),
            when(lambda s: "c_burn" in s.frames,
                 lambda s: s.has(*GO_ROOT, "main.one", "main.two", "main.three", "main.four", "runtime.cgocall",
                                 "runtime.asmcgocall", "c_one", "c_two", "c_three", "c_burn")),
            when(leaf("c_burn"), lambda s: s.labels.get("domain") == "c"),
            when(leaf("c_burn"), lambda s: s.labels.get("goroutine") == "1")), True),
    ("C calls Go calls C, three times", ["callback"],
     all_of(every(lambda s: "c_burn" in s.frames),
            when(lambda s: "c_burn" in s.frames,
                 lambda s: s.has(*GO_ROOT, *["main.enter", "runtime.cgocall", "c_level", "crosscall2", "main.goLevel"] * 3,
                                 "main.burn", "c_burn"))), True),
    ("frameless Go leaves keep their callers", ["frameless"],
     all_of(when(leaf("main.leaf"), lambda s: caller(s) in ("main.callerOne", "main.callerThree") and
                 s.has(*GO_ROOT, "main.work", caller(s))),
            some(lambda s: caller(s) == "main.callerOne", "below main.callerOne"),
            some(lambda s: caller(s) == "main.callerThree", "below main.callerThree")), True),
    ("the vDSO, called from Go", ["vdso"],
     all_of(some(lambda s: s.labels.get("domain") == "vdso", "in the vDSO"),
            when(lambda s: s.labels.get("domain") == "vdso", lambda s: s.has(*GO_ROOT, "main.outer", "main.inner")),
            when(lambda s: "main.inner" in s.frames, lambda s: s.has(*GO_ROOT, "main.outer", "main.inner"))), True),
    ("500 frames of recursion", ["recursion"],
     when(lambda s: "main.down" in s.frames,
          lambda s: s.frames.count("main.down") in (499, 500) and s.has(*GO_ROOT)), False),
    ("a signal handler on the same stack", ["signal-handler"],
     all_of(when(lambda s: "handler_burn" in s.frames, lambda s: s.has("main", "on_tick", "handler_burn")),
            every(lambda s: s.has("_start", "main"), 0.99)), True),
    ("a signal handler on its own stack", ["signal-handler", "alt"],
     all_of(when(lambda s: "handler_burn" in s.frames, lambda s: s.has("main", "on_tick", "handler_burn")),
            every(lambda s: s.has("_start", "main"), 0.99)), True),
    ("goroutine labels", ["labels"], labels, False),
    ("shares of C and Go", ["shares"], all_of(shares, when(lambda s: "heavy_c" in s.frames or
                                                                        "main.heavyGo" in s.frames,
                                                                        lambda s: s.has(*GO_ROOT))), False),
    ("threads of a C library", ["cgo-native-thread"],
     when(lambda s: "pulse_mix" in s.frames, lambda s: s.has("pulse_worker", "pulse_mix") and
          "goroutine" not in s.labels), True),
    ("a stripped Go binary", ["clock-storm-stripped"],
     when(lambda s: "main.waitUntil" in s.frames, lambda s: s.has(*GO_ROOT, "main.waitUntil")), True),
]


def start(command):
    """A target, once it says that it is ready; its output goes to a file."""
    out = tempfile.TemporaryFile("w+")
    child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
    for _ in range(400):
        out.seek(0)
        if "ready" in out.read():
            return child, out
        time.sleep(0.025)
    raise RuntimeError(f"{command} did not get ready")


def stop(child, out, once=""):
    """End it, once its output says so, and give its output."""
    for _ in range(800):
        out.seek(0)
        if once in out.read():
            break
        time.sleep(0.025)
    child.kill()
    child.wait()
    out.seek(0)
    return out.read()


def run_case(osprey, folder, command, check, extra, work):
    child, out = start([str(folder / command[0]), *command[1:]])
    profile = os.path.join(work, "p.pb.gz")
    done = subprocess.run([osprey, "record", str(child.pid), "-d", SECONDS, "-o", profile, "--json", *extra],
                          capture_output=True, text=True)
    alive = child.poll() is None
    told = stop(child, out, "truth" if command == ["shares"] else "")
    if done.returncode != 0:
        return [f"exit status {done.returncode}: {done.stderr.strip()}"]
    return judge(json.loads(done.stdout), alive, profile, check, told, not extra)


def judge(said, alive, profile, check, told, by_bpf):
    """What is wrong with a recording: what osprey said of it, and the profile itself."""
    bad = [] if alive else ["the target is dead"]
    if said["bpf"] != by_bpf:
        bad.append(f"bpf is {said['bpf']}: {said['gave_up']}")
    # In the fallback, what the copy does not hold is read later, from a process that runs on.
    least = 0.99 if by_bpf else 0.9
    if said["complete"] < least * said["samples"]:
        bad.append(f"{said['complete']} of {said['samples']} complete: {said['truncated']}")
    if said["lost"] and by_bpf: # copies of stacks fill a ring faster than a crowded host lets us empty it
        bad.append(f"{said['lost']} lost")
    return bad + check(stacks.read(profile), told)


def refused(osprey, words, want, work, last=()):
    """A command that must fail with one line that says this, and leave no file."""
    profile = os.path.join(work, "none.pb.gz")
    done = subprocess.run([osprey, "record", *words, "-d", "1", "-o", profile, *last], capture_output=True,
                          text=True)
    lines = done.stderr.strip().splitlines()
    bad = []
    if done.returncode != 1:
        bad.append(f"exit status {done.returncode}")
    if len(lines) != 1 or not re.search(want, lines[0]):
        bad.append(f"said {done.stderr!r}, wanted {want!r}")
    if os.path.exists(profile):
        bad.append("it left a file")
    return bad


def early_end(osprey, folder, work, how):
    """What was sampled until then is kept, whatever ended it."""
    child, out = start([str(folder / "cgo-deep")])
    profile = os.path.join(work, how + ".pb.gz")
    terminal, end = os.openpty()
    sampler = subprocess.Popen([osprey, "record", str(child.pid), "-d", "60", "-o", profile, "--json"],
                               stdout=subprocess.PIPE, stderr=end, text=True, env=dict(os.environ, TERM="xterm"))
    os.close(end)
    shown = b""
    while not re.search(rb"[1-9]\d* samples", shown):  # its line of progress, until something is sampled
        shown += os.read(terminal, 4096)
    if how == "interrupted":
        sampler.send_signal(signal.SIGINT)
    else:
        child.kill()
        child.wait()
    said, _ = sampler.communicate(timeout=120)
    os.close(terminal)
    stop(child, out)
    if sampler.returncode != 0:
        return [f"exit status {sampler.returncode}"]
    found = stacks.read(profile)
    bad = every(lambda s: s.has(*GO_ROOT, "c_three", "c_burn"), 0.95)(found, "")
    return bad if json.loads(said)["samples"] > 0 else bad + ["no samples"]


def started(osprey, folder, work):
    """A program that osprey starts itself is seen from its first moments."""
    profile = os.path.join(work, "started.pb.gz")
    done = subprocess.run([osprey, "record", "-o", profile, "--json", "--", "timeout", "1", str(folder / "c-compute")],
                          capture_output=True, text=True)
    direct = subprocess.Popen([osprey, "record", "-d", "1", "-o", profile, "--json", "--", str(folder / "cgo-deep")],
                              stdout=subprocess.PIPE, text=True)
    said = ""
    for line in direct.stdout:
        said += line if said or line == "{\n" else ""
        if line == "}\n":
            break
    for child in pathlib.Path(f"/proc/{direct.pid}/task/{direct.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    direct.wait(timeout=30)
    told = json.loads(said)
    bad = [] if done.returncode in (0, 1) else [f"exit status {done.returncode} for a program that only waits"]
    if told["complete"] < 0.9 * told["samples"]:
        bad.append(f"{told['complete']} of {told['samples']} complete: {told['truncated']}")
    return bad + when(lambda s: "c_burn" in s.frames, lambda s: s.has(*GO_ROOT, "c_three", "c_burn"))(stacks.read(profile), "")


def main():
    osprey, folder = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).absolute()
    only = sys.argv[3:]
    targets = sorted({c[1][0] for c in CASES} | {"c-compute", "libpulse.so", "libpulse-stripped.so"})
    build_targets(folder, *targets)
    tap = Tap()
    with tempfile.TemporaryDirectory() as work:
        child, out = start([str(folder / "c-compute")])
        probe = subprocess.run([osprey, "record", str(child.pid), "-d", "0.3", "-o", os.path.join(work, "probe.pb.gz"),
                                "--json"], capture_output=True, text=True)
        stop(child, out)
        if probe.returncode != 0:
            print(f"1..0 # SKIP this user cannot sample here: {probe.stderr.strip()}")
            return 0
        no_bpf = None if json.loads(probe.stdout)["bpf"] else json.loads(probe.stdout)["gave_up"]
        for name, command, check, fallback in CASES:
            if only and command[0] not in only:
                continue
            if no_bpf:
                tap.skip(name + ", by BPF", no_bpf)
            else:
                tap.same(name + ", by BPF", run_case(osprey, folder, command, check, [], work))
            if fallback:
                tap.same(name + ", without BPF", run_case(osprey, folder, command, check, ["--no-bpf"], work))
        if not only:
            tap.same("Ctrl-C keeps what was sampled", early_end(osprey, folder, work, "interrupted"))
            tap.same("the end of the process keeps what was sampled", early_end(osprey, folder, work, "killed"))
            tap.same("a program started by osprey", started(osprey, folder, work))
            tap.same("no such process", refused(osprey, ["4194303"], "4194303", work))
            tap.same("a kernel thread", refused(osprey, ["2"], "2", work))
            tap.same("no such program", refused(osprey, [], "/nonexistent/program", work, ["--", "/nonexistent/program"]))
            child, out = start([str(folder / "c-compute")])
            child.send_signal(signal.SIGSTOP)
            tap.same("a stopped process", refused(osprey, [str(child.pid)], "stopped.*CONT", work))
            child.send_signal(signal.SIGCONT)
            full = subprocess.run([osprey, "record", str(child.pid), "-d", "0.5", "-o", "/dev/full"],
                                  capture_output=True, text=True)
            stop(child, out)
            tap.case("a full disk", full.returncode == 1 and "No space left" in full.stderr, full.returncode, full.stderr)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
