# SPDX-License-Identifier: Apache-2.0
"""Profiles as the peer reads them: `go tool pprof -traces`."""
import re
import subprocess


class Stack:
    """One sample: its value in the first type, its frames leaf first, its labels."""

    def __init__(self):
        self.value, self.frames, self.labels = 0, [], {}

    def has(self, *chain):
        """Do these frames stand in the stack in this order, root to leaf?"""
        rest = iter(self.frames[::-1])
        return all(any(want == frame for frame in rest) for want in chain)


def read(profile, index="samples", unit=None):
    """All samples of a profile that have a value of that type, which is in that unit."""
    text = subprocess.run(["go", "tool", "pprof", "-traces", f"-sample_index={index}", *([f"-unit={unit}"] if unit else []),
                           profile], check=True, capture_output=True, text=True).stdout
    found, stack = [], None
    for line in text.splitlines():
        if line.startswith("-----------+"):
            if stack and stack.frames:
                found.append(stack)
            stack = Stack()
            continue
        if not stack:
            continue
        first = re.match(r"^ *(\d+)" + (unit or "") + r" {3}(\S.*)$", line)
        more = re.match(r"^ {13}(\S.*)$", line)
        label = re.match(r"^ *([^: ][^:]*): {2}(.*)$", line)
        if not stack.frames and first:
            stack.value, stack.frames = int(first[1]), [plain(first[2])]
        elif stack.frames and more:
            stack.frames.append(plain(more[1]))
        elif not stack.frames and label:
            stack.labels[label[1]] = label[2]
    return found + ([stack] if stack and stack.frames else [])


def plain(frame):
    return frame.removesuffix(" (inline)")


def share(stacks, test):
    """Of all samples, the fraction for which test(stack) is true."""
    total = sum(s.value for s in stacks)
    return sum(s.value for s in stacks if test(s)) / total if total else 0.0


class Row:
    """One sample as the file has it: its values by sample type, its labels."""

    def __init__(self, value):
        self.value, self.labels = value, {}


def rows(profile):
    """All samples of a profile with all their values: `go tool pprof -raw`."""
    text = subprocess.run(["go", "tool", "pprof", "-raw", profile], check=True, capture_output=True, text=True).stdout
    lines = iter(text[text.index("Samples:\n"):text.index("\nLocations\n")].splitlines()[1:])
    types = [t.split("/")[0] for t in next(lines).replace("[dflt]", "").split()]
    found = []
    for line in lines:
        values = re.match(r"^ *([-\d ]+):", line)
        if values:
            found.append(Row(dict(zip(types, map(int, values[1].split())))))
        else:
            found[-1].labels.update(re.findall(r"([\w.-]+):\[([^\]]*)\]", line))
    return found


def total(found, column, **labels):
    """The sum of a column over the samples with these labels."""
    return sum(r.value[column] for r in found if all(r.labels.get(k) == v for k, v in labels.items()))
