# SPDX-License-Identifier: Apache-2.0
"""go tool pprof, the peer, which is asked what osprey is asked."""
import os
import re
import shutil
import subprocess
import tempfile

FOLLOWED = 26  # the release of Go whose pprof osprey follows; older ones round, order or demangle otherwise


def find(least=0):
    """Its command and "", or None and why there is none, or none of go1.LEAST at least. It is called by its own name where it
    has one: the go command in front of it costs time and wants a home with a cache."""
    if not shutil.which("go"):
        return None, "no Go here"
    version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout.strip()
    minor = re.match(r"go1\.(\d+)", version)
    if minor and int(minor[1]) < least:
        return None, f"{version} has an older pprof than osprey follows"
    tool = subprocess.run(["go", "tool", "-n", "pprof"], capture_output=True, text=True, check=False).stdout.strip()
    return [tool] if os.path.exists(tool) else ["go", "tool", "pprof"], ""


def ask(command, *args, cwd=None, **more):
    """Status, stdout and stderr of either, which finds nothing that the user has set, saved or installed."""
    env = {**os.environ, "TZ": "UTC", "HOME": "/nonexistent", "PPROF_TMPDIR": tempfile.gettempdir(), "GOTOOLCHAIN": "local", **more}
    done = subprocess.run([*command, *args], env=env, cwd=cwd, capture_output=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


def differences(want, got):
    """Of two answers (status, stdout …): some lines that differ; [] if none do."""
    if want[:2] == got[:2]:
        return []
    theirs, ours = want[1].decode(errors="replace").splitlines(), got[1].decode(errors="replace").splitlines()
    why = [f"{side} |{line[:300]}" for a, b in zip(theirs, ours) if a != b for side, line in (("peer  ", a), ("osprey", b))]
    return why[:6] + [f"{len(theirs)} lines and status {want[0]}, osprey {len(ours)} and {got[0]}"]
