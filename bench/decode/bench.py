#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey pprof -top of a million samples, against the floor (unpack, read each varint once) and go tool pprof.

    bench.py OSPREY GENERATE FLOOR FOLDER IN.pb.gz...

Runs of floor and osprey alternate; the least CPU time (user + system) of each counts, because others may use the
machine. Peak memory is the kernel's own (ru_maxrss). go tool pprof runs once, in the same session; it may take
PPROF_TIMEOUT seconds (240). Prints one table; ends with status 1 if a bar is missed (3 times the floor; unpacked size
+ 100 MB).
"""
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time

RUNS = 5
SAMPLES = 1000000


def run(command, out, timeout=None):
    """(CPU seconds, wall seconds, peak MB, finished) of a command that writes to the file out."""
    start = time.monotonic()
    with open(out, "wb") as f:
        child = subprocess.Popen(command, stdout=f, stderr=subprocess.DEVNULL, env=dict(os.environ, TZ="UTC"),
                                 start_new_session=True)
    finished = True
    while True:
        pid, status, use = os.wait4(child.pid, os.WNOHANG if timeout else 0)
        if pid:
            break
        if time.monotonic() - start > timeout:
            finished = False
            os.killpg(child.pid, signal.SIGKILL)
            timeout = 1e9
        time.sleep(0.05)
    child.returncode = 0
    if finished and status:
        sys.exit(f"bench.py: {' '.join(command)}: status {status}")
    return use.ru_utime + use.ru_stime, time.monotonic() - start, use.ru_maxrss / 1024 * 1.048576, finished


def peer_command(profile):
    """The analyser itself, not the go command in front of it, so that its memory is what is measured."""
    tool = subprocess.run(["go", "tool", "-n", "pprof"], capture_output=True, text=True).stdout.strip()
    return [tool if os.path.exists(tool) else "go", *([] if os.path.exists(tool) else ["tool", "pprof"]),
            "-symbolize=none", "-top", profile]


def main(osprey, generate, floor, folder, *seeds):
    os.makedirs(folder, exist_ok=True)
    profile = os.path.join(folder, "million.pb.gz")
    made = subprocess.run([generate, profile, str(SAMPLES), *seeds], check=True, capture_output=True, text=True).stdout.strip()
    with gzip.open(profile) as f:
        size = 0
        while block := f.read(1 << 24):
            size += len(block)
    size /= 1e6
    asked = [osprey, "pprof", "-symbolize=none", "-top", profile]
    our_text, peer_text = os.path.join(folder, "top.osprey"), os.path.join(folder, "top.peer")
    floors, ours = [], []
    for _ in range(RUNS):
        floors.append(run([floor, profile], os.devnull))
        ours.append(run(asked, our_text))
    low, best = min(floors), min(ours)
    peak = max(r[2] for r in ours)
    ratio = best[0] / low[0]
    fits = ratio <= 3 and peak <= size + 100
    result = {
        "profile": made, "unpacked_mb": round(size, 1), "floor_cpu_s": round(low[0], 3),
        "osprey_cpu_s": round(best[0], 3), "osprey_wall_s": round(min(r[1] for r in ours), 3),
        "ratio": round(ratio, 2), "ratio_bar": 3, "osprey_peak_mb": round(peak, 1), "peak_bar_mb": round(size + 100, 1),
    }
    print(made)
    print(f"{'':16}{'CPU s':>9}{'wall s':>9}{'peak MB':>9}  times the floor")
    print(f"{'floor':16}{low[0]:9.3f}{low[1]:9.3f}{low[2]:9.0f}{1:9.2f}")
    print(f"{'osprey -top':16}{best[0]:9.3f}{best[1]:9.3f}{peak:9.0f}{ratio:9.2f}   (bars: 3, {size + 100:.0f} MB)")
    if shutil.which("go"):
        cpu, wall, mem, finished = run(peer_command(profile), peer_text, float(os.environ.get("PPROF_TIMEOUT", "240")))
        note = "" if finished else "   stopped: it had not ended"
        print(f"{'go tool pprof':16}{cpu:9.3f}{wall:9.3f}{mem:9.0f}{cpu / low[0]:9.2f}{note}")
        result |= {"peer_cpu_s": round(cpu, 1), "peer_wall_s": round(wall, 1), "peer_peak_mb": round(mem),
                   "peer_ratio": round(cpu / low[0], 1), "peer_finished": finished}
        if finished:
            with open(our_text, "rb") as a, open(peer_text, "rb") as b:
                same = a.read() == b.read()
            print("both print the same" if same else "THEY PRINT DIFFERENT THINGS")
            result["same_output"] = same
            fits = fits and same
    else:
        print("go tool pprof: no Go here")
    print(json.dumps(result))
    return 0 if fits else 1


sys.exit(main(*sys.argv[1:]))
