#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of call graphs, by Graphviz's library and by our own layout, with an empty PATH: SVG must be XML that shows
every node of the DOT text; hostile names come out whole; the other forms begin as such files begin. TAP on stdout.

    pictures.py OSPREY
"""
import ctypes
import glob
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml

from protobuf import put
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
OWN = os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests", "data", "go-profiles")
MAGIC = {"svg": b"<?xml", "pdf": b"%PDF-", "ps": b"%!PS-Adobe", "png": b"\x89PNG", "gif": b"GIF8"}

HOSTILE = [
    'quote"', "back\\slash", 'both\\"', "<b>&amp;</b>&;", "line\nbreak", "\\N\\G\\l\\", "]]>-->", "nul\0byte", "bell\a\x1b[2J",
    "\xff\xfe", "é.ü", "\u4e2d\u6587", "a" * 3000, "%s%n%d", "{rec|ord}", "<html>", "HTML<table>", "", " ", ";", "node",
    "\ufffe", "\U0001f600", "$(reboot)`x`", "]]", "/*", "//", "#", "\\", "javascript:alert(1)", "<script>alert(1)</script>",
]


def profile(names):
    """Every name is called by the one before it, is the value of a label, a unit and the name of the binary."""
    texts = ["", "cpu", "who", "bytes"] + names
    body = put(1, put(1, 1) + put(2, 4 + 3))
    body += put(3, put(1, 1) + put(2, 4096) + put(3, 8192) + put(5, 4 + 2) + put(7, 1))
    for i in range(len(names)):
        body += put(5, put(1, i + 1) + put(2, 4 + i) + put(3, 4 + i) + put(4, 4 + (i + 1) % len(names)))
        body += put(4, put(1, i + 1) + put(2, 1) + put(3, 4096 + i) + put(4, put(1, i + 1) + put(2, i)))
        label = put(3, put(1, 2) + put(2, 4 + i)) + put(3, put(1, 3) + put(3, i * 100) + put(4, 4 + i))
        body += put(2, put(1, i + 1) + put(1, (i + 1) % len(names) + 1) + put(2, 1000 + i) + label)
    for t in texts:
        body += put(6, t.encode("latin-1") if t == "\xff\xfe" else t.encode())
    return body


def has_graphviz():
    try:
        return bool(ctypes.CDLL("libgvc.so.6"))
    except OSError:
        return False


def run(command, plain):
    env = {"TZ": "UTC", "HOME": "/nonexistent", "PATH": ""}
    for kept in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if kept in os.environ:
            env[kept] = os.environ[kept]
    if plain:
        env["OSPREY_NO_GRAPHVIZ"] = "1"
    done = subprocess.run(command, env=env, capture_output=True, timeout=200)
    return done.returncode, done.stdout, done.stderr


def readable(text):
    """Text as a picture may show it: without what XML cannot hold, and blanks as they come."""
    text = re.sub("[\0-\x08\x0b-\x1f\x7f\ufffe\uffff]", "\ufffd", text)
    return re.sub(r"\s+", " ", text)


def check_svg(svg, dot, plain):
    """What is wrong with the picture, or None."""
    root = xml.fromstring(svg)
    shown = readable(" ".join(root.itertext()) + " ".join(str(v) for e in root.iter() for v in e.attrib.values()))
    if root.tag != "{http://www.w3.org/2000/svg}svg" or root.attrib.get("width") != "100%" or not root.attrib.get("viewBox"):
        return "not sized for a window"
    for node, tooltip in re.findall(r'^(N\d+) \[.* tooltip="((?:[^"\\]|\\.)*)" color=', dot, re.MULTILINE):
        name = readable(re.sub(r"\\(.)", lambda m: "\n" if m[1] == "l" else m[1], tooltip))
        if "\\" in name and not plain:
            continue  # Graphviz 2.42 reads the escapes of a tooltip twice
        if name not in shown:
            return f"{node} is not there: {name[:80]!r}"
    return None


def main(osprey):
    tap = Tap()
    ways = [("plain", True)] + ([("Graphviz", False)] if has_graphviz() else [])

    def report(name, wrong, said):
        if b"Graphviz took more than" in said:
            tap.skip(name, "this machine has too much to do for Graphviz")
        else:
            tap.case(name, wrong is None, wrong)

    with tempfile.TemporaryDirectory() as folder:
        odd = os.path.join(folder, "hostile.pb")
        with open(odd, "wb") as f:
            f.write(profile(HOSTILE))
        nothing = os.path.join(folder, "nothing.pb")
        with open(nothing, "wb") as f:
            f.write(put(1, put(1, 1) + put(2, 2)) + put(6, b"") + put(6, b"cpu") + put(6, b"ns"))
        own = sorted(glob.glob(os.path.join(OWN, "*.pb.gz")))
        cases = [(p, []) for p in own] + [(p, ["-call_tree"]) for p in own[::5]]
        cases += [(odd, f) for f in ([], ["-call_tree"], ["-lines"], ["-files"], ["-addresses"])] + [(nothing, [])]
        for path, flags in cases:
            dot = run([osprey, "pprof", "-dot", *flags, path], True)
            for way, plain in ways:
                got = run([osprey, "pprof", "-svg", *flags, path], plain)
                try:
                    wrong = f"status {got[0]}: {got[2][-200:]}" if got[0] else check_svg(got[1], dot[1].decode(errors="replace"), plain)
                except (xml.ParseError, UnicodeDecodeError) as e:
                    wrong = f"not XML: {e}"
                if not wrong and not plain and b"plainer" in got[2]:
                    wrong = got[2].decode()
                report(f"-svg {' '.join(flags)} {os.path.basename(path)} by {way}", wrong, got[2])
        for form, magic in MAGIC.items():
            for way, plain in ways:
                got = run([osprey, "pprof", f"-{form}", odd], plain)
                if plain and form in ("png", "gif"):
                    wrong = None if got[0] == 2 and b"libgvc" in got[2] and not got[1] else "libgvc is not named"
                else:
                    wrong = None if got[1].startswith(magic) and got[0] == 0 else f"status {got[0]}, {got[1][:20]}"
                report(f"-{form} by {way}", wrong, got[2])
    if len(ways) == 1:
        tap.skip("pictures by Graphviz", "libgvc.so.6 is not here")
    return tap.end()


sys.exit(main(os.path.abspath(sys.argv[1])))
