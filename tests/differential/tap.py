# SPDX-License-Identifier: Apache-2.0
"""TAP on stdout: a line a case, what is wrong with it below."""
import difflib


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def case(self, name, ok, *why):
        self.n += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n} - {name}", flush=True)
        for line in why if not ok else ():
            print("#  ", str(line)[:1500].replace("\n", "\n#   "))

    def equal(self, name, want, got):
        """A case that is good if two runs say the same; else the lines that differ are shown."""
        shown = ("\n".join(map(str, run)).splitlines() for run in (want, got))
        self.case(name, want == got, *difflib.unified_diff(*shown, "want", "got", n=0, lineterm=""))

    def same(self, name, differences):
        """A case that is good if there are none."""
        self.case(name, not differences, *differences)

    def skip(self, name, why):
        self.n += 1
        print(f"ok {self.n} - {name} # SKIP {why}")

    def end(self):
        """The exit status."""
        print(f"1..{self.n}")
        return self.failed > 0
