# SPDX-License-Identifier: Apache-2.0
"""A program of the matrix while it runs, and its neighbours."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time


class Cgroup:
    """A control group of one controller, of version 1 or 2; what is in it is killed at the end."""

    def __init__(self, controller, **limits):
        self.path = None
        for root in (f"/sys/fs/cgroup/{controller}", "/sys/fs/cgroup"):
            if os.path.exists(f"{root}/cgroup.procs") or os.path.exists(f"{root}/tasks"):
                self.path = pathlib.Path(root, f"osprey-why-{os.getpid()}")
                break
        if not self.path:
            raise OSError(f"there is no {controller} control group here")
        self.path.mkdir()
        self.v2 = (self.path / "cgroup.controllers").exists()
        try:
            for name, value in limits.items():
                self.limit(name, value)
        except OSError:
            self.drop()
            raise

    def limit(self, name, value):
        """`cpu`: cores; its weight is high, so that the limit is what it meets and not its neighbours. `memory`: bytes; `pids`: tasks."""
        if name == "cpu" and self.v2:
            (self.path / "cpu.weight").write_text("5000")
            (self.path / "cpu.max").write_text(f"{int(value * 100000)} 100000")
        elif name == "cpu":
            (self.path / "cpu.shares").write_text("50000")
            (self.path / "cpu.cfs_period_us").write_text("100000")
            (self.path / "cpu.cfs_quota_us").write_text(str(int(value * 100000)))
        elif name == "pids":
            (self.path / "pids.max").write_text(str(int(value)))
        elif self.v2:
            (self.path / "memory.max").write_text(str(int(value)))
        else:
            (self.path / "memory.limit_in_bytes").write_text(str(int(value)))

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def drop(self):
        for _ in range(50):
            try:
                for pid in (self.path / "cgroup.procs").read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
                self.path.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.1)


# Why a row cannot run here: {need: a test that raises OSError}.
def is_root():
    if os.geteuid() != 0:
        raise OSError("needs root")


NEEDS = {
    "root": is_root,
    "cgroup-cpu": lambda: Cgroup("cpu", cpu=0.5).drop(),
    "cgroup-pids": lambda: Cgroup("pids", pids=40).drop(),
    "cgroup-memory": lambda: Cgroup("memory", memory=64 << 20).drop(),
    "two-cpus": lambda: enough_cpus(2),
    "affinity": lambda: None,
    "huge-pages": lambda: has_huge_pages(),
    "silent-resolver": lambda: subprocess.run(SILENT_RESOLVER + ["true"], check=True, capture_output=True, cwd="/tmp"),
}


# A network and an /etc/resolv.conf of the program's own, which is then the name server itself and does not answer.
SILENT_RESOLVER = ["unshare", "--mount", "--net", "sh", "-c",
                   "ip link set lo up && f=$(mktemp) && printf 'nameserver 127.0.0.1\noptions timeout:30\n' >$f && "
                   "mount --bind $f /etc/resolv.conf && rm $f && exec \"$@\"", "sh"]


def enough_cpus(n):
    if len(os.sched_getaffinity(0)) < n:
        raise OSError(f"needs {n} CPUs")


def has_huge_pages():
    if "[never]" in pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text(encoding="ascii"):
        raise OSError("transparent huge pages are off")


def lacks(row):
    """What this machine does not have for the row, or ""."""
    for need in row.needs:
        try:
            NEEDS[need.split("=")[0]]()
        except (OSError, subprocess.CalledProcessError) as e:
            return f"{need}: {e}"
    return ""


class Target:
    """A program while the block runs. What it says of itself is read all the time."""

    def __init__(self, program, full=False, namespace=False):
        self.program, self.namespace = program, namespace
        self.said = []  # (time, {key: number}) of each line
        self.group = self.cpus = None
        self.env = dict(os.environ, **{k: program.say(v) for k, v in program.row.env.items()})
        self.env["STATUS"] = "full" if full else ""
        self.folder = None
        self.process = self.pid = None
        self.begun = threading.Event()

    def __enter__(self):
        before = []
        for need in self.program.row.needs:
            name, _, value = need.partition("=")
            if name.startswith("cgroup-") and value:
                kind = name.split("-")[1]
                self.group = Cgroup(kind, **{kind: float(value)})
            if name == "silent-resolver":
                before = SILENT_RESOLVER
            if name == "affinity":
                self.cpus = sorted(os.sched_getaffinity(0))[:int(value)]
        self.folder = tempfile.TemporaryDirectory(prefix="run", dir=self.program.path.parent.parent)  # on a disk
        prefix = ["unshare", "--pid", "--fork", "--kill-child"] if self.namespace else []
        self.process = subprocess.Popen(
            before + prefix + [str(self.program.path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=self.env, cwd=self.folder.name, start_new_session=True,
            preexec_fn=self.settle)
        threading.Thread(target=self.listen, daemon=True).start()
        if not self.begun.wait(60) or self.process.poll() is not None:
            self.__exit__()
            raise OSError("the program did not begin")
        self.pid = self.process.pid
        if self.namespace:  # its child, as we number it
            children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
            self.pid = int(children.split()[0])
        return self

    def settle(self):
        if self.group:
            self.group.enter()
        if self.cpus:
            os.sched_setaffinity(0, self.cpus)

    def listen(self):
        for line in self.process.stdout:
            if line.startswith("ready"):
                self.begun.set()
            else:
                said = {k: float(v) for k, v in re.findall(r"(\w+)=(-?[\d.]+(?:e-?\d+)?)", line)}
                self.said.append((time.monotonic(), said))
        self.begun.set()

    def alive(self):
        return self.process.poll() is None and os.path.exists(f"/proc/{self.pid}")

    def pace(self, since, until):
        """(units of work a second, longest silence in seconds) of what it said in a time."""
        lines = [(t, s) for t, s in self.said if since <= t <= until and "units" in s]
        times = [since] + [t for t, _ in lines] + [until]
        silence = max(b - a for a, b in zip(times, times[1:]))
        if len(lines) < 2:
            return 0.0, silence
        (t0, s0), (t1, s1) = lines[0], lines[-1]
        return (s1["units"] - s0["units"]) / max(t1 - t0, 1e-9), silence

    def __exit__(self, *_):
        for pid in {self.process.pid, self.pid} - {None}:
            try:
                os.killpg(pid, signal.SIGKILL) if pid == self.process.pid else os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        if self.group:
            self.group.drop()
        self.folder.cleanup()


def last_words(program):
    """What a program that dies prints then."""
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, **program.row.env)
        run = subprocess.run(["timeout", "30", str(program.path)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             env=env, cwd=folder, check=False, errors="replace")
    return run.stderr


class Watch:
    """Was the target stopped while the block ran? Looked at every five milliseconds."""

    def __init__(self, pid):
        self.pid, self.end = pid, threading.Event()
        self.stopped = self.gap = 0.0  # the longest time seen stopped; the longest between two looks
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        last, since = time.monotonic(), None
        while not self.end.wait(0.005):
            now = time.monotonic()
            self.gap, last = max(self.gap, now - last), now
            try:
                state = pathlib.Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace")
            except OSError:
                return
            if state.rpartition(")")[2].split()[0] in "tT":
                since = since or now
                self.stopped = max(self.stopped, now - since)
            else:
                since = None

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()


class Neighbour:
    """A process of equal priority that wants a CPU all the time."""

    def __init__(self, wanted=True):
        self.wanted, self.process = wanted, None

    def __enter__(self):
        if self.wanted:
            self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.kill()
            self.process.wait()
