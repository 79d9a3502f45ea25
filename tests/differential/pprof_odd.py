#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Made-up profiles that are valid and odd, shown by go tool pprof and by osprey pprof: equal tables or both refuse.

    pprof_odd.py OSPREY [SEED [COUNT]]      new ones at each run

How they are odd: odd_profiles.py. TAP on stdout.
"""
import os
import random
import shutil
import sys
import tempfile

import peer
from odd_profiles import profile
from tap import Tap

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
    tap = Tap()
    command, why = peer.find(peer.FOLLOWED)
    if not command:
        tap.skip("odd profiles", why)
        return tap.end()
    seed = int(seed) if seed else random.randrange(1 << 32)
    print(f"# seed {seed}")
    r = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for n in range(1, int(count) + 1):
            path = os.path.join(folder, f"odd{n}.pb")
            with open(path, "wb") as f:
                f.write(profile(r))
            flags = ["-top", *r.choice(OPTIONS)]
            want, got = peer.ask(command, *flags, path), peer.ask([osprey, "pprof"], *flags, path)
            theirs, ours = rows(want[1]), rows(got[1])
            why = []
            if want[0] != got[0] or theirs != ours:
                shutil.copy(path, tempfile.gettempdir())
                why = [f"kept as {os.path.join(tempfile.gettempdir(), os.path.basename(path))}; peer {want[0]}, osprey {got[0]}"]
                why += [text.decode(errors="replace").strip()[-150:] for text in (want[2], got[2])]
                for side, extra in ("peer", [x for x in theirs if x not in ours]), ("osprey", [x for x in ours if x not in theirs]):
                    why += [f"{side:6} |{' '.join(row)}" for row in extra[:4]]
            tap.same(f"a profile made of seed {seed} and {' '.join(flags)}", why)
    return tap.end()


sys.exit(main(*sys.argv[1:]))
