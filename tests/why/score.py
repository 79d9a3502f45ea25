# SPDX-License-Identifier: Apache-2.0
"""What the runs of a matrix were worth, as Markdown."""
import collections
import statistics


def percent(part, whole):
    return f"{100 * part / whole:.1f} %" if whole else "-"


def totals(runs):
    sick, healthy = [r for r in runs if r.program.row.sick], [r for r in runs if not r.program.row.sick]
    credit = sum({1: 1.0, 2: 0.5, 3: 0.5}.get(r.place, 0) for r in sick)
    culprits = [r.culprit for r in sick if r.program.row.culprit]
    sure, right = sum(r.sure for r in runs), sum(r.sure_right for r in runs)
    paces = [r.pace for r in runs if r.pace]
    late = [r.seconds - r.observed for r in runs if r.answer]
    lines = [
        ("verdict first", f"{sum(r.place == 1 for r in sick)} of {len(sick)}",
         percent(sum(r.place == 1 for r in sick), len(sick))),
        ("recall, half credit for second and third", f"{credit:g} of {len(sick)}", percent(credit, len(sick))),
        ("culprit", f"{sum(map(bool, culprits))} of {len(culprits)}", percent(sum(map(bool, culprits)), len(culprits))),
        ("false alarms on healthy programs", f"{sum(r.sure > 0 for r in healthy)} of {len(healthy)}",
         percent(sum(r.sure > 0 for r in healthy), len(healthy))),
        ("right of what is said at >= 0.6", f"{right} of {sure}", percent(right, sure)),
    ]
    if late:
        lines.append(("answer after the observation, median and longest", f"{statistics.median(late):.2f} s, {max(late):.2f} s", ""))
        lines.append(("osprey's CPU, median and most", f"{statistics.median(r.cpu for r in runs):.2f} s, "
                      f"{max(r.cpu for r in runs):.2f} s", ""))
    if paces:
        lines.append(("work of the programs while observed, against before, median", f"{statistics.median(paces):.3f}", ""))
    return ["| | | |", "|---|---:|---:|"] + [f"| {a} | {b} | {c} |" for a, b, c in lines]


def confusion(runs):
    """Expected against what was said first with confidence."""
    said = collections.defaultdict(collections.Counter)
    for r in runs:
        first = next((f"{v}" for v, _, c, _ in r.said if c >= 0.6), "nothing")
        said[r.program.row.verdict or "healthy"][first] += 1
    lines = ["| expected | runs | said first at >= 0.6 |", "|---|---:|---|"]
    for expected in sorted(said):
        what = ", ".join(f"{'**' if v == expected or (expected, v) == ('healthy', 'nothing') else ''}{v}"
                         f"{'**' if v == expected or (expected, v) == ('healthy', 'nothing') else ''} {n}"
                         for v, n in said[expected].most_common())
        lines.append(f"| {expected} | {sum(said[expected].values())} | {what} |")
    return lines


def table(runs):
    return "\n".join(["", *totals(runs), "", *confusion(runs), ""])
