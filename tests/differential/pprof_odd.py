#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Made-up profiles that are valid and odd, shown by go tool pprof and by osprey pprof: equal tables or both refuse.

    pprof_odd.py OSPREY [SEED [COUNT]]      new ones at each run

How they are odd: odd_profiles.py. TAP on stdout.
"""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from odd_profiles import profile

OPTIONS = [
    [], ["-cum"], ["-lines"], ["-addresses"], ["-filefunctions"], ["-noinlines", "-lines"], ["-trim=false"], ["-mean"],
    ["-sample_index=0"], ["-nodecount=3"], ["-nodefraction=0.1", "-cum"], ["-edgefraction=0.2"], ["-focus=ma"],
    ["-ignore=leaf"], ["-hide=run"], ["-show=e|o"], ["-show_from=main"], ["-prune_from=work"], ["-unit=ms"],
    ["-unit=auto"], ["-drop_negative"], ["-relative_percentages", "-focus=a"], ["-divide_by=7"], ["-showcolumns", "-lines"],
    ["-symbolize=none"], ["-compact_labels"], ["-trim_path=/src:/go", "-lines"], ["-source_path=/srv/x/proj", "-lines"],
]


def rows(text):
    """Rows without the running sum, in any order: the peer orders nodes of one name by chance."""
    return sorted(tuple(c for i, c in enumerate(line.split()) if i != 2) for line in text.decode().splitlines())


def main(osprey, seed=None, count="60"):
    if not shutil.which("go"):
        print("1..1\nok 1 - odd profiles # SKIP no Go here")
        return 0
    release = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout.strip()
    number = re.match(r"go1\.(\d+)", release)
    if number and int(number.group(1)) < 26:  # osprey follows 1.26, older ones round, order or demangle otherwise
        print(f"1..1\nok 1 - odd profiles # SKIP {release} has an older pprof than osprey follows")
        return 0
    peer = subprocess.run(["go", "tool", "-n", "pprof"], capture_output=True, text=True).stdout.split() or []
    peer = peer if peer and os.path.exists(peer[0]) else ["go", "tool", "pprof"]
    seed = int(seed) if seed else random.randrange(1 << 32)
    print(f"# seed {seed}")
    r = random.Random(seed)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, TZ="UTC", HOME=folder)
        for n in range(1, int(count) + 1):
            path = os.path.join(folder, f"odd{n}.pb")
            with open(path, "wb") as f:
                f.write(profile(r))
            flags = ["-top", *r.choice(OPTIONS)]
            want = subprocess.run([*peer, *flags, path], env=env, capture_output=True)
            got = subprocess.run([osprey, "pprof", *flags, path], env=env, capture_output=True)
            ok = got.returncode == want.returncode and rows(got.stdout) == rows(want.stdout)
            failed += not ok
            print(f"{'ok' if ok else 'not ok'} {n} - a profile made of seed {seed} and {' '.join(flags)}")
            if not ok:
                shutil.copy(path, tempfile.gettempdir())
                print(f"#   kept as {os.path.join(tempfile.gettempdir(), os.path.basename(path))}; "
                      f"peer {want.returncode}, osprey {got.returncode}")
                for text in (want.stderr, got.stderr):
                    print("#   " + text.decode(errors="replace").strip()[-150:])
                theirs, ours = rows(want.stdout), rows(got.stdout)
                for side, extra in ("peer", [x for x in theirs if x not in ours]), ("osprey", [x for x in ours if x not in theirs]):
                    for row in extra[:4]:
                        print(f"#   {side:6} |{' '.join(row)}")
    print(f"1..{count}")
    return failed > 0


sys.exit(main(*sys.argv[1:]))
