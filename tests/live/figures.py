# SPDX-License-Identifier: Apache-2.0
"""tests/targets/figures: a program that knows the figures of its own runtime; built by releases of Go, and asked."""
import os
import pathlib
import subprocess
import threading
import time

import ready

KINDS = {"plain": [], "stripped": ["-ldflags=-s -w"], "pie-stripped": ["-buildmode=pie", "-ldflags=-s -w"]}


def build(folder, release, kind, name="figures"):
    """The program by a release ("local": the go command itself); None if it cannot be had."""
    program = pathlib.Path(folder) / f"{name}-{release}-{kind}"
    old = release.startswith(("go1.16", "go1.17"))
    run = subprocess.run(["go", "build", *KINDS[kind], "-o", str(program), f"./{name}"], cwd=ready.TARGETS,
                         env=dict(os.environ, GOTOOLCHAIN=release, CGO_ENABLED="0", GODEBUG="goindex=0",
                                  GOFLAGS="-mod=mod" if old else "-buildvcs=false"), capture_output=True, check=False)
    return program if run.returncode == 0 else None


def programs(tap, folder, releases, name="figures"):
    """(release, kind, program) of each that can be had; OSPREY_GO_RELEASES, separated by blanks, overrides the releases."""
    ready.need_go()
    pathlib.Path(folder).mkdir(exist_ok=True)
    for release in os.environ.get("OSPREY_GO_RELEASES", "").split() or releases or ["local"]:
        for kind in KINDS:
            program = build(folder, release, kind, name)
            if program:
                yield release, kind, program
            else:
                tap.skip(f"{release} {kind}", "cannot be had or does not build here")


class Figures:
    def __init__(self, program, **env):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=dict(os.environ, **env))
        self.pid = self.process.pid
        self.lines = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def ask(self, word):
        """What it answers, as lines without the last."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        answer = []
        while (line := self.process.stdout.readline().rstrip("\n")) != "done":
            if not line:
                raise RuntimeError("the program has ended: " + "\n".join(self.lines[-5:]))
            answer.append(line)
        return answer

    def wait_for_line(self, start, after):
        """The number of the first line at `after` or later that begins so, once there is one."""
        for _ in range(600):
            for i in range(after, len(self.lines)):
                if self.lines[i].startswith(start):
                    return i
            time.sleep(0.05)
        raise RuntimeError(f"no line `{start}` in 30 s")

    def block(self, after):
        """The lines of the first whole SCHED block that begins at line `after` or later."""
        first = self.wait_for_line("SCHED", after)
        return self.lines[first:self.wait_for_line("SCHED", first + 1)]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
