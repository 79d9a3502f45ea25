#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The flame graph in a browser, as SVG and as a page: what is drawn, the pointer, search, zoom, keys, light and dark.

    test_flame.py OSPREY [FOLDER]      pictures are kept in FOLDER

The profile is made up, so that every width is known."""
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "differential"))
from browser import Browser, find
from tap import Tap

HOSTILE = "</script><script>hacked=1</script>]]><img src=x onerror=hacked=1>\"'&amp;{`"
STACKS = {
    "main.main;main.(*Server).Serve;main.decode;runtime.memmove": 400,
    "main.main;main.(*Server).Serve;main.decode": 100,
    "main.main;main.(*Server).Serve;encoding/json.Marshal": 300,
    f"main.main;{HOSTILE}": 150,
    **{f"main.main;thin{i}": 1 for i in range(50)},
}
ALL = sum(STACKS.values())
FRAMES = "[...document.querySelectorAll('#frames rect')].filter(r => r.style.display !== 'none')"
TEXTS = "[...document.querySelectorAll('#frames text')].filter(t => t.style.display !== 'none')"
DETAIL = "document.querySelector('#detail').textContent"


def flame(osprey, folder, stacks, name, *more):
    source, out = os.path.join(folder, "a.folded"), os.path.join(folder, name)
    with open(source, "w", encoding="utf-8") as f:
        f.writelines(f"{stack} {n}\n" for stack, n in stacks.items())
    subprocess.run([osprey, "flame", source, "-o", out, *more], check=True, stdout=subprocess.DEVNULL)
    return out


class Page:
    def __init__(self, browser, tap, keep, name):
        self.b, self.tap, self.keep, self.name = browser, tap, keep, name

    def case(self, what, ok, *why):
        self.tap.case(f"{self.name}: {what}", ok, *why, *self.b.errors)

    def picture(self, what):
        if self.keep:
            self.b.picture(os.path.join(self.keep, f"{self.name}-{what}.png"))

    def box(self, label):
        """Where the frame with that label is: left, top, width, height; None if none is seen."""
        return self.b.value(f"""(() => {{ const t = {TEXTS}.find(t => t.textContent === {label!r});
            const r = t && {FRAMES}.find(r => Math.abs(r.x.baseVal.value + 4 - t.x.baseVal[0].value) < .01 &&
                                              Math.abs(r.y.baseVal.value + 13 - t.y.baseVal[0].value) < .01);
            if (!r) return null; const b = r.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; }})()""")

    def settled(self, label, width):
        """Wait until the frame is so wide."""
        return self.b.until(f"""(() => {{ const t = {TEXTS}.find(t => t.textContent === {label!r});
            return t && {FRAMES}.some(r => Math.abs(r.x.baseVal.value + 4 - t.x.baseVal[0].value) < .01 && Math.abs(r.width.baseVal.value - {width}) < 3); }})()""")

    def click(self, label):
        x, y, w, h = self.box(label)
        self.b.click(x + w / 2, y + h / 2)

    def at(self):
        """The detail line, which tells of the chosen frame."""
        return self.b.value(DETAIL)


def drawing(p, width):
    """Each frame as wide as its share, and names as text, whatever is in them."""
    full = width - 24
    for label, share in (("main.main", 1), ("main.(*Server).Serve", .8), ("main.decode", .5), ("runtime.memmove", .4), ("encoding/json.Marshal", .3)):
        box = p.box(label)
        p.case(f"{label} is as wide as its share", box and abs(box[2] - share * full) < 3, box, share * full)
    p.case("thin neighbours are one frame", p.b.value(f"{TEXTS}.some(t => t.textContent === '50 more') || {FRAMES}.filter(r => r.classList.contains('m')).length === 1"))
    p.case("a name with markup is text, runs nothing and asks for nothing",
           p.b.value("typeof hacked") == "undefined" and not [u for u in p.b.asked if not u.startswith("file://")] and
           p.b.value(f"{TEXTS}.filter(t => t.textContent.startsWith('</script><scr')).length") == 1, p.b.asked)
    p.case("the page is no wider than the window", p.b.value("document.scrollingElement.scrollWidth <= innerWidth"))


def pointing(p, width):
    x, y, w, h = p.box("main.decode")
    p.b.move(x + w / 2, y + h / 2)
    told = p.at()
    p.case("the pointer tells of a frame", told.startswith("main.decode   500, 50.00% of all; own 100"), told)
    p.b.move(5, 5)
    p.case("and no longer when it has left", p.at().startswith("1000 in all"), p.at())
    p.click("main.decode")
    p.case("a click makes a frame as wide as all", p.settled("main.decode", width - 24))
    p.case("its callers stay above it", p.box("main.main") is not None and not p.box("encoding/json.Marshal"))
    p.picture("zoomed")
    p.b.key("Escape")
    p.case("esc goes back", p.settled("main.decode", (width - 24) / 2))
    more = p.b.value(f"(() => {{ const b = {FRAMES}.find(r => r.classList.contains('m')).getBoundingClientRect(); return [b.left + b.width / 2, b.top + 5]; }})()")
    p.b.click(*more)
    p.case("a click on thin ones makes room for them", p.b.until(f"{TEXTS}.filter(t => /^thi/.test(t.textContent)).length >= 20 || {FRAMES}.length >= 50"))
    p.b.key("Escape")
    p.settled("main.decode", (width - 24) / 2)


def searching(p):
    p.b.key("/")
    p.b.type("decode|Marshal")
    p.case("what is searched is summed up, once", p.at() == "80.00% stands in what matches decode|Marshal", p.at())
    hits = p.b.value(f"{FRAMES}.filter(r => r.classList.contains('hit')).length")
    p.case("and marked", hits == 2 and p.b.value(f"{FRAMES}.filter(r => r.classList.contains('dim')).length") >= 4, hits)
    p.picture("searched")
    p.b.type("(")
    p.case("what is no regular expression is said", p.at().startswith("not a regular expression"), p.at())
    p.b.key("Escape")
    p.case("esc ends the search", p.b.value("document.querySelector('input').value") == "" and not p.b.value(f"{FRAMES}.some(r => r.classList.contains('hit'))"))


def walking(p, width):
    walk = (("ArrowDown", "all "), ("ArrowDown", "main.main"), ("ArrowDown", "main.(*Server).Serve"), ("ArrowRight", "thin0"),
            ("ArrowLeft", "main.(*Server).Serve"), ("ArrowDown", "main.decode"), ("ArrowLeft", "encoding/json.Marshal"), ("ArrowUp", "main.(*Server).Serve"))
    told = []
    p.b.move(5, 5)  # a pointer that rests on a frame has its say when the frame moves
    for key, want in walk:
        p.b.key(key)
        told.append(p.at())
        if not told[-1].startswith(want):
            break
    p.case("arrows walk over frames", told[-1].startswith(walk[-1][1]) and len(told) == len(walk), *told)
    p.settled("main.(*Server).Serve", .8 * (width - 24))
    p.b.key("Enter")
    p.case("enter zooms", p.settled("main.(*Server).Serve", width - 24), p.box("main.(*Server).Serve"))
    p.b.key("Escape")
    p.case("esc goes back from there", p.settled("main.decode", (width - 24) / 2) and p.at().startswith("1000 in all"), p.at())


def colours(p):
    def seen():
        return p.b.value(f"""[getComputedStyle({FRAMES}[0].ownerSVGElement).backgroundColor, getComputedStyle({TEXTS}[1]).fill,
                             getComputedStyle({FRAMES}[1]).fill]""")

    def light(colour):
        def linear(c):
            return c / 12.92 if c <= .04045 else ((c + .055) / 1.055) ** 2.4
        r, g, b = (linear(int(c) / 255) for c in colour[4:-1].split(","))
        return .2126 * r + .7152 * g + .0722 * b

    p.case("what is Go's is known by its name", p.b.value("[...document.querySelectorAll('text.s')].map(t => t.textContent).join()") ==
           "Go 10.00%,Go std 30.00%,Go runtime 40.00%,C 20.00%")
    for scheme in ("light", "dark"):
        p.b.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        ground, text, frame = (light(c) for c in seen())
        contrast = (max(text, frame) + .05) / (min(text, frame) + .05)
        if p.name.endswith("html"):
            p.case(f"{scheme}: the page has the picture's ground", p.b.value("getComputedStyle(document.body).backgroundColor") == seen()[0])
        p.case(f"{scheme}: its ground, and names that can be read", (ground > .5) == (scheme == "light") and contrast >= 4.5, ground, contrast)
        p.picture(scheme)


def many(p, osprey, folder):
    """A profile of 300,000 frames: few are elements, and all that are kept can be found."""
    rng = random.Random(4)
    stacks = {";".join(f"pkg{int(rng.random() ** 6 * 30)}.f{d}" for d in range(1, 31)): rng.randrange(1, 100) for _ in range(10000)}
    p.b.resize(1200, 800)
    p.b.open(flame(osprey, folder, stacks, "many.svg"))
    n = p.b.value("document.querySelectorAll('*').length")
    p.case("a profile of 300,000 frames is few elements", n < 6000, n)
    before = p.b.value(f"{FRAMES}.length")
    p.b.click(600, 130)
    p.case("and can be zoomed", p.b.until(f"{FRAMES}.some(r => r.classList.contains('up'))"), before)


def main(words):
    tap = Tap()
    if not find():
        tap.skip("the flame graph in a browser", "no Chromium here")
        return tap.end()
    osprey, keep = os.path.abspath(words[1]), words[2] if len(words) > 2 else None
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser()
        try:
            for name, width in (("flame.svg", 1200), ("flame.html", 1200), ("narrow.html", 700)):
                p = Page(browser, tap, keep, name)
                browser.asked.clear()
                browser.resize(width, 800)
                browser.media(prefers_color_scheme="light", prefers_reduced_motion="reduce" if width == 700 else "no-preference")
                browser.open(flame(osprey, folder, STACKS, name))
                drawing(p, width)
                if width == 1200:
                    pointing(p, width)
                    searching(p)
                    walking(p, width)
                    colours(p)
            many(p, osprey, folder)
            tap.case("no script has failed", not browser.errors, *browser.errors)
        finally:
            browser.close()
    return tap.end()


sys.exit(main(sys.argv))
