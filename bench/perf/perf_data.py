#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""perf.data of a given size, imported by osprey and printed by perf script, in one session.

    perf_data.py [-mb=N] [-keep] [-runs=N] OSPREY FOLDER

Records everything on this machine while Go's standard library is built again and again beside two programs of several
threads: cpu-clock with frame pointers, task-clock with copied stacks, until the file has N MB (100). Then osprey convert
(all stacks, symbolised, written as folded text) and `perf script > /dev/null` take turns. CPU time is user + system. The
bar: at least 10 times less. Status 1 if it is missed; 77 where perf cannot record. -keep leaves the recording.
"""
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

BUSY = r"""
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define OWN __attribute__((noinline))
static OWN int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static OWN void sort_some(unsigned *seed)
{
    int v[400];
    for (int i = 0; i < 400; i++) v[i] = rand_r(seed);
    qsort(v, 400, sizeof *v, by_value);
}
static OWN double sines(unsigned *seed) { double x = 0; for (int i = 0; i < 500; i++) x += sin(rand_r(seed)); return x; }
static OWN void copies(unsigned *seed) { char *p = malloc(1 << 16); memset(p, rand_r(seed), 1 << 16); free(p); }
static OWN void deep(int n, unsigned *seed)
{
    if (n > 0) deep(n - 1, seed);
    else if (rand_r(seed) % 3 == 0) sort_some(seed);
    else if (rand_r(seed) % 2) sines(seed);
    else copies(seed);
    __asm__ volatile("");
}
static void *work(void *p)
{
    for (unsigned seed = (unsigned)(uintptr_t)p;;) { deep(rand_r(&seed) % 40, &seed); usleep(rand_r(&seed) % 4000); }
    return 0;
}
int main(void)
{
    pthread_t t;
    for (uintptr_t i = 0; i < 6; i++) pthread_create(&t, 0, work, (void *)i);
    pause();
    return 0;
}
"""


def record(folder, mb):
    """The recording, or None with a reason."""
    data, source, busy = (os.path.join(folder, n) for n in ("perf.data", "busy.c", "busy"))
    if not shutil.which("perf") or not shutil.which("go") or not shutil.which("gcc"):
        return None, "perf, go or gcc is not here"
    with open(source, "w", encoding="ascii") as f:
        f.write(BUSY)
    subprocess.run(["gcc", "-O2", "-g", "-fno-omit-frame-pointer", "-pthread", "-o", busy, source, "-lm"], check=True)
    env = os.environ | {"GOCACHE": os.path.join(folder, "cache"), "GOFLAGS": "-mod=mod"}
    load = [subprocess.Popen([busy]) for _ in range(2)]
    load.append(subprocess.Popen(["sh", "-c", "while :; do go build -a -p 6 std; done"], env=env, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True))
    perf = subprocess.Popen(["perf", "record", "-q", "-a", "-o", data, "-m", "2048", "-c", "100000",
                             "-e", "cpu-clock/call-graph=fp,period=100000/",
                             "-e", "task-clock/call-graph=dwarf,stack-size=8192,period=1500000/"],
                            stderr=subprocess.PIPE, text=True)
    while perf.poll() is None and not (os.path.exists(data) and os.path.getsize(data) >= mb << 20):
        time.sleep(0.2)
    perf.send_signal(signal.SIGINT)
    said = perf.communicate()[1].strip()
    for p in load[:2]:
        p.kill()
    os.killpg(load[2].pid, signal.SIGKILL)
    for p in load:
        p.wait()
    shutil.rmtree(os.path.join(folder, "cache"), ignore_errors=True)
    if not os.path.exists(data) or os.path.getsize(data) < mb << 19:
        return None, said or "perf wrote nothing"
    return data, ""


def cpu(command, out):
    """CPU and wall seconds, and the peak in MB."""
    start = time.monotonic()
    with open(out, "wb") as f:
        child = subprocess.Popen(command, stdout=f, stderr=subprocess.DEVNULL)
        use = os.wait4(child.pid, 0)[2]
        child.returncode = 0
    return use.ru_utime + use.ru_stime, time.monotonic() - start, use.ru_maxrss >> 10


def main(args):
    options = dict(a[1:].partition("=")[::2] for a in args if a.startswith("-"))
    osprey, folder = [a for a in args if not a.startswith("-")]
    folder = os.path.join(folder, "perf-bench")
    mb, runs = int(options.get("mb", 100)), int(options.get("runs", 3))
    os.makedirs(folder, exist_ok=True)
    data = os.path.join(folder, "perf.data")
    if not os.path.exists(data) or os.path.getsize(data) < mb << 20:
        data, why = record(folder, mb)
        if not data:
            print("skipped: " + why)
            return 77
    size = os.path.getsize(data) / 1e6
    ours, theirs = [], []
    for i in range(runs):
        ours.append(cpu([osprey, "convert", "-f", "folded", data, "-"], os.devnull))
        if i == 0 or size < 300:  # perf script of a large one takes its time
            theirs.append(cpu(["perf", "script", "-i", data], os.devnull))
    note = subprocess.run([osprey, "info", data], capture_output=True, text=True, check=False).stdout
    print(f"perf.data of {size:.0f} MB, {resource.getpagesize()} bytes a page, least CPU of the runs")
    for line in note.splitlines():
        if line.startswith(("contents", "recording", "events", "note", "            ")) and "command" not in line:
            print("    " + line[:150])
    for name, use in (("perf script", theirs), ("osprey convert", ours)):
        least = min(use)
        print(f"{name:16} {least[0]:8.2f} s CPU {least[1]:8.2f} s wall {least[2]:6} MB")
    ratio = min(theirs)[0] / min(ours)[0]
    print(f"{ratio:.1f} times less CPU than perf script{'' if ratio >= 10 else '   *'}")
    if "keep" not in options:
        shutil.rmtree(folder)
    return 0 if ratio >= 10 else 1


sys.exit(main(sys.argv[1:]))
