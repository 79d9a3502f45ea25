#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Arrows only fall: every #include in src/ against the two tables of ARCHITECTURE.md, and the first table against them.

Usage: layers.py REPOSITORY. Prints TAP, a case a room and one for the tables themselves.
"""
import fnmatch
import pathlib
import re
import sys


def tables(text):
    """({room: its last column}, [(header pattern, rooms)]) from the Markdown tables."""
    rooms, libraries, head = {}, [], None
    for line in text.splitlines():
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = cells
        elif set(cells[0]) <= set("-: "):
            continue
        elif head[0] == "room" and head[-1] == "may use":
            rooms[cells[0].strip("`")] = [w.strip() for w in cells[-1].split(",") if w.strip() not in ("–", "-", "")]
        elif head[0] == "library":
            libraries += [(p, cells[-1]) for p in re.findall(r"`([^`]+)`", cells[1])]
    return rooms, libraries


def below(rooms, room, seen=()):
    """All rooms under this one; a circle or an unknown name is an error."""
    if room in seen:
        raise ValueError("a circle: " + " -> ".join([*seen, room]))
    result = set()
    for other in rooms[room]:
        if other == "bpf":
            continue
        if other not in rooms:
            raise ValueError(f"{room} uses {other}, which has no row")
        result |= {other} | below(rooms, other, (*seen, room))
    return result


def check_include(name, quoted, room, path, rooms, libraries):
    """What is wrong with this include in that room, or None."""
    if not quoted:
        for pattern, owner in libraries:
            if fnmatch.fnmatch(name, pattern) and room not in owner.split(", "):
                return f"<{name}> is for {owner} only"
        return None
    shared = re.fullmatch(r"(?:\.\./\.\./)?bpf/([a-z_]+\.h)", name)
    if shared:
        return None if "bpf" in rooms[room] else f'"{name}": {room} may not use bpf'
    if "/" not in name:
        if (path.parent / name).exists() or name.endswith(".skel.h"):
            return None
        return f'"{name}": no file of {room}; write "room/file.h"'
    other = name.split("/")[0]
    if other == room:
        return None
    if other not in rooms:
        return f'"{name}": there is no room {other}'
    if other != "base" and other not in below(rooms, room):
        return f'"{name}": {room} may not use {other}'
    if other != "base" and name != f"{other}/{other}.h":
        return f'"{name}": the one header of {other} is {other}/{other}.h'
    return None


def main(root):
    root = pathlib.Path(root)
    rooms, libraries = tables((root / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    present = sorted(p.name for p in (root / "src").iterdir() if p.is_dir())
    print(f"1..{len(present) + 1}")
    bad = [f"src/{r} has no row in ARCHITECTURE.md" for r in present if r not in rooms]
    bad += [f"ARCHITECTURE.md has a row {r}, but there is no src/{r}" for r in rooms if r not in present]
    try:
        for room in rooms:
            below(rooms, room)
    except ValueError as e:
        bad.append(str(e))
    for line in bad:
        print("#", line)
    print("not ok" if bad else "ok", "1 - the table of rooms and the folders agree")
    failed = bool(bad)
    for number, room in enumerate(present, 2):
        bad, used = [], set()
        for path in sorted((root / "src" / room).rglob("*")):
            if room not in rooms or path.suffix not in (".c", ".h", ".cc", ".inc", ".def"):
                continue
            for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                m = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', text)
                used |= {part for part in m.group(2).split("/")[:-1] if m.group(1) == '"'} if m else set()
                wrong = m and check_include(m.group(2), m.group(1) == '"', room, path, rooms, libraries)
                if wrong:
                    bad.append(f"{path.relative_to(root)}:{line}: {wrong}")
        bad += [f"the table lets {room} use {other}, which it does not" for other in rooms.get(room, []) if other not in used]
        for line in bad:
            print("#", line)
        print("not ok" if bad else "ok", f"{number} - {room} uses only what stands under it")
        failed |= bool(bad)
    return 1 if failed else 0


sys.exit(main(sys.argv[1]))
