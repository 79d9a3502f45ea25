# SPDX-License-Identifier: Apache-2.0
"""Is the fault there? What /proc, the program itself, perf and strace say about it, without osprey.

A truth is `KEY < NUMBER` or `KEY > NUMBER`; the number may name the row's parameters. Keys:

    cores used user sys CPU demand (running and waiting for a CPU), CPU used, and its shares in user and kernel mode
    children            cores, of ended children
    threads fds rss ... and threads/s fds/s rss/s   now, and their growth; rss in MB
    waiting             tasks that are in an uninterruptible wait, on average
    vcs/s ics/s minflt/s majflt/s   context switches, page faults
    throttled           share of the periods in which the control group was throttled
    goroutines heap gcs forced gccpu allocated mallocs held idle stacks cgo units (and /s)   the program's own word;
                        heap, allocated, held, idle and stacks in MB
    call.NAME error.NAME   system calls a second, and those that failed, by strace
    leaf.FUNC in.FUNC      share of samples in a function, or under it, by perf"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

TICK = os.sysconf("SC_CLK_TCK")
IN_MB = {"heap", "allocated", "held", "idle", "stacks"}


def text_of(path):
    try:
        return pathlib.Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def look(target):
    """Counters of now."""
    pid = target.pid
    stat = text_of(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if len(stat) < 20:
        raise OSError("the program is gone")
    at = {"time": time.monotonic(), "minflt": int(stat[7]), "majflt": int(stat[9]), "utime": int(stat[11]) / TICK,
          "stime": int(stat[12]) / TICK, "children": (int(stat[13]) + int(stat[14])) / TICK, "threads": int(stat[17]),
          "rss": int(re.search(r"VmRSS:\s+(\d+)", text_of(f"/proc/{pid}/status")).group(1)) / 1024,
          "fds": len(os.listdir(f"/proc/{pid}/fd"))}
    demand = switches = forced = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        sched = text_of(f"/proc/{pid}/task/{task}/schedstat").split()
        demand += sum(map(int, sched[:2]))
        found = re.findall(r"ctxt_switches:\s+(\d+)", text_of(f"/proc/{pid}/task/{task}/status"))
        if len(found) == 2:
            switches, forced = switches + int(found[0]), forced + int(found[1])
    at.update(demand=demand / 1e9, vcs=switches, ics=forced)
    if target.group:
        stat = dict(line.split() for line in text_of(target.group.path / "cpu.stat").splitlines())
        at.update(periods=int(stat.get("nr_periods", 0)), throttled=int(stat.get("nr_throttled", 0)))
    return at


def waiting(target):
    """Tasks in an uninterruptible wait."""
    n = 0
    for task in os.listdir(f"/proc/{target.pid}/task"):
        n += text_of(f"/proc/{target.pid}/task/{task}/stat").rpartition(")")[2].split()[:1] == ["D"]
    return n


def measure(target, seconds, truths):
    """{key: number} over some seconds."""
    first, waits = look(target), []
    while time.monotonic() < first["time"] + seconds:
        time.sleep(0.05)
        waits.append(waiting(target))
    last = look(target)
    span = last["time"] - first["time"]
    out = {"waiting": sum(waits) / len(waits), "cores": (last["demand"] - first["demand"]) / span}
    used = {k: last[k] - first[k] for k in ("utime", "stime")}
    total = max(sum(used.values()), 1e-9)
    out.update(used=total / span, user=used["utime"] / total, sys=used["stime"] / total, children=(last["children"] - first["children"]) / span)
    for key in ("threads", "fds", "rss"):
        out[key], out[key + "/s"] = last[key], (last[key] - first[key]) / span
    for key in ("vcs", "ics", "minflt", "majflt"):
        out[key + "/s"] = (last[key] - first[key]) / span
    if "periods" in last:
        out["throttled"] = (last["throttled"] - first["throttled"]) / max(last["periods"] - first["periods"], 1)
    out.update(own_word(target, first["time"], last["time"]))
    names = [re.match(r"(call|error|leaf|in)\.([^ <>]+)", t) for t in truths]
    kinds = {m.group(1) for m in names if m}
    if kinds & {"leaf", "in"}:
        out.update(sampled(target))
    if kinds & {"call", "error"}:
        out.update(traced(target))
    return out


def own_word(target, since, until):
    said = [(t, s) for t, s in target.said if since <= t <= until]
    out = {}
    if len(said) >= 2:
        (t0, s0), (t1, s1) = said[0], said[-1]
        for key in s1:
            scale = 1 << 20 if key in IN_MB else 1
            out[key] = s1[key] / scale
            out[key + "/s"] = (s1[key] - s0.get(key, 0)) / scale / (t1 - t0)
    return out


def sampled(target, seconds=2):
    """Shares by function: perf record over all threads, frame pointers."""
    if not shutil.which("perf"):
        raise OSError("there is no perf")
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        data = f"{folder}/perf.data"
        subprocess.run(["perf", "record", "-q", "-F", "299", "-g", "-e", "cpu-clock", "-o", data, "-p", str(target.pid), "--",
                        "sleep", str(seconds)], capture_output=True, check=False)
        script = subprocess.run(["perf", "script", "-i", data, "--no-inline", "-F", "ip,sym"], capture_output=True, text=True, check=False,
                                errors="replace").stdout
    stacks = [[re.sub(r"^\s*[0-9a-f]+\s+", "", line) for line in block.splitlines() if line.strip()] for block in script.split("\n\n")
              if block.strip()]
    for stack in stacks:
        out["leaf." + stack[0]] = out.get("leaf." + stack[0], 0) + 1 / len(stacks)
        for name in set(stack):
            out["in." + name] = out.get("in." + name, 0) + 1 / len(stacks)
    return out


def traced(target, seconds=2):
    """System calls a second by name."""
    if not shutil.which("strace"):
        raise OSError("there is no strace")
    run = subprocess.run(["timeout", "-s", "INT", str(seconds), "strace", "-f", "-c", "-p", str(target.pid)],
                         capture_output=True, text=True, check=False)
    out = {}
    for line in run.stderr.splitlines():
        m = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(\d*)\s*(\w+)$", line)
        if m and m.group(3) != "total":
            out["call." + m.group(3)] = int(m.group(1)) / seconds
            out["error." + m.group(3)] = int(m.group(2) or 0) / seconds
    return out


def prove(target, seconds):
    """[what is not so], "what was measured"."""
    program = target.program
    truths = [program.say(t) for t in program.row.truth]
    if not truths:
        return ["the row tells no truth"], ""
    got = measure(target, seconds, truths)
    wrong, seen = [], []
    for truth in truths:
        m = re.fullmatch(r"(\S+)\s*([<>])\s*([\d.eE+*/() -]+)", truth)
        if not m:
            return [f"not understood: {truth}"], ""
        key, sign, bound = m.group(1), m.group(2), eval(m.group(3), {"__builtins__": {}})
        value = got.get(key, 0.0)
        seen.append(f"{key} {value:.4g}")
        if not (value > bound if sign == ">" else value < bound):
            wrong.append(f"{truth}: it is {value:.4g}")
    return wrong, ", ".join(seen)
