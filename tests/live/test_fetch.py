#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`osprey pprof` on a living Go server: each of its profiles is fetched, shown and saved; the peer must show what was
saved just so. Usage: test_fetch.py OSPREY FOLDER

FOLDER is where tests/targets/build.sh puts the programs. Needs Go and libcurl; else it is skipped, and says why. Prints TAP."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from tap import Tap

HERE = pathlib.Path(__file__).resolve().parent

# What is asked, which type the answer has, and whose function must be in it.
QUESTIONS = [
    ([], "debug/pprof/heap", "inuse_space", "main.keep"),
    ([], "debug/pprof/heap?debug=1", "inuse_space", ""),
    (["-sample_index=alloc_objects"], "debug/pprof/heap?seconds=1", "alloc_objects", ""),
    ([], "debug/pprof/allocs", "alloc_space", "main.keep"),
    ([], "debug/pprof/goroutine", "goroutine", "main.fight"),
    ([], "debug/pprof/goroutine?debug=1", "goroutine", ""),
    ([], "debug/pprof/mutex", "delay", "main.fight"),
    ([], "debug/pprof/block", "delay", "main.fight"),
    ([], "debug/pprof/threadcreate", "threadcreate", ""),
    (["-seconds=1"], "", "cpu", "main.burn"),
    ([], "debug/pprof/profile?seconds=1", "cpu", "main.burn"),
]


def ask(osprey, home, *words):
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    env.update(HOME=home, TZ="UTC")
    env.pop("PPROF_TMPDIR", None)
    done = subprocess.run([osprey, "pprof", *words], env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def one(tap, osprey, home, flags, url, kind, function):
    status, shown, said = ask(osprey, home, "-top", *flags, url)
    saved = re.search(r"^Saved profile in (.*)$", said, re.MULTILINE)
    good = status == 0 and f"Type: {kind}\n" in shown and function in shown and saved
    tap.case(f"{' '.join(flags)} {re.sub(r'^[^/]*/', '/', url)}: {kind}", good, status, shown, said)
    if not saved:
        return
    env = dict(os.environ, TZ="UTC", GOTOOLCHAIN="local")
    words = [w for w in flags if "seconds" not in w]
    peer = subprocess.run(["go", "tool", "pprof", "-top", *words, saved.group(1)], env=env, capture_output=True, text=True,
                          timeout=120, check=False)
    tap.case("  and go tool pprof shows what was saved", peer.stdout == shown, peer.stdout, peer.stderr, shown)


def main(words):
    osprey, folder = os.path.abspath(words[0]), words[1]
    if not shutil.which("go"):
        print("1..0 # SKIP no Go here")
        return 0
    subprocess.run([str(HERE.parent / "targets" / "build.sh"), folder, "pprof-server"], check=True,
                   stdout=subprocess.DEVNULL)
    tap = Tap()
    with subprocess.Popen([os.path.join(folder, "pprof-server")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as server, tempfile.TemporaryDirectory() as home:
        at = server.stdout.readline().strip()
        status, _, said = ask(osprey, home, "-top", f"{at}/debug/pprof/nothing")
        if "libcurl" in said:
            print("1..0 # SKIP no libcurl here")
            server.stdin.close()
            return 0
        tap.case("no such profile", status == 2 and "server response: 404 Not Found - Unknown profile" in said, said)
        for flags, path, kind, function in QUESTIONS:
            one(tap, osprey, home, flags, f"{at}/{path}" if path else at, kind, function)
        status, shown, said = ask(osprey, home, "-top", "-seconds=1", at, f"http://{at}")
        tap.case("two at once, of which Go serves one", status == 0 and "Fetched 1 source profiles out of 2" in said
                 and "500 Internal Server Error - Could not enable CPU profiling" in said, status, shown, said)
        status, shown, said = ask(osprey, home, "-top", f"{at}/debug/pprof/trace?seconds=1")
        tap.case("a trace is no profile", status == 2 and "a Go execution trace" in said, status, shown, said)
        status, shown, said = ask(osprey, home, "-top", "-diff_base", f"{at}/debug/pprof/heap", f"{at}/debug/pprof/heap")
        tap.case("a heap less the same heap", status == 0 and "inuse_space" in shown, status, shown, said)
        server.stdin.close()
    return tap.end()


sys.exit(main(sys.argv[1:]))
