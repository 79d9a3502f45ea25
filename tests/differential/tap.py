# SPDX-License-Identifier: Apache-2.0
"""TAP on stdout: a line a case, what is wrong with it below."""


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def case(self, name, ok, *why):
        self.n += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n} - {name}", flush=True)
        for line in why if not ok else ():
            print("#  ", str(line)[:1500].replace("\n", "\n#   "))

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
