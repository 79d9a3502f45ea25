#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/rules/coverage.tsv says of each case and each known root cause by which verdict it is diagnosed and which program
shows it. Is that what the matrix says? Usage: coverage.py REPOSITORY. Prints TAP."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "live"))

import rows as matrix_rows
from tap import Tap

CAUSES = 73


def table(root):
    lines = (root / "docs" / "rules" / "coverage.tsv").read_text(encoding="utf-8").splitlines()
    return {cells[0]: cells[1:] for cells in (line.split("\t") for line in lines if line and line[0] != "#")}


def wrong(said, rows):
    by_name = {row.name: row for row in rows}
    for cause in (f"R{i}" for i in range(1, CAUSES + 1)):
        if cause not in said:
            yield f"{cause} is missing"
    for row in rows:
        if row.name not in said and row.name not in " ".join(cells[1] for cells in said.values()).split():
            yield f"{row.name} of the matrix is missing"
        for cause in row.rows:
            if row.name.split("/")[0] not in said.get(cause, ["", ""])[1].split() and "/" not in row.name:
                yield f"{cause} does not name {row.name}"
    for name, cells in said.items():
        if len(cells) != 3:
            yield f"{name} has {len(cells) + 1} columns"
            continue
        verdicts, fixtures, remark = cells[0].split(), cells[1].split(), cells[2]
        if fixtures == ["-"] and not remark:
            yield f"{name} has neither a program nor a reason"
        for fixture in (f for f in fixtures if f != "-"):
            if fixture not in by_name:
                yield f"{name} names {fixture}, which the matrix does not have"
            elif (by_name[fixture].verdict or "-") not in verdicts:
                yield f"{name} says {cells[0]}, the matrix {by_name[fixture].verdict or '-'} of {fixture}"


def main():
    tap = Tap()
    tap.same("each case and each root cause has its row", list(wrong(table(pathlib.Path(sys.argv[1])), matrix_rows.read())))
    sys.exit(tap.end())


if __name__ == "__main__":
    main()
