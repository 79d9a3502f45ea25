# SPDX-License-Identifier: Apache-2.0
"""Sources of a program with random names and sizes.

A program of programs/ is written with placeholders, so that nothing which judges it can lean on a name:

    x_name   a Go name that is not exported      amberLedger
    X_Name   one that is                         AmberLedger
    xc_name  a C name, a file's name             amber_ledger
    p_name   a package, a thread, a library      amber
    P_name   a number, or a word, of the row's `params`

The same placeholder becomes the same word in all files of the program. Comments that tell its truth are not copied."""
import re

WORDS = """acorn agate alder almond amber anchor anise apple apron arbor arch aspen aster autumn azure bakery bamboo banjo barley
basil basin beacon beaver beech berry birch bison blanket bonnet border bottle boulder bramble brass bridge bronze brook
bucket butter button cabin cactus camel candle canoe canyon carrot castle cedar cello cherry chess cider cinder circle
citrus clover cobalt cocoa comet compass copper coral cotton cousin cradle cricket crystal curry daisy dapple delta denim
desert dolphin domino dove dragon eagle easel ebony elder ember emerald falcon fennel ferry fiddle fig flannel flint
forest fossil fountain foxglove garden garnet ginger glacier goblet gravel grove guitar hammer harbor harvest hazel heather
heron hickory holly honey horizon iris island ivory jacket jasmine juniper kayak kettle kiwi lagoon lantern larch lavender
lemon lilac lily linen lotus magnet magpie mango maple marble meadow melon mint mitten moss mustard nectar nickel nutmeg
oak oasis olive onyx opal orange orchard orchid osier otter oyster paddle palm panda paper parrot pasture peach pearl
pebble pecan pelican pepper pewter piano pigeon pilgrim pine plum pocket pollen poplar poppy prairie prism puffin pumpkin
quartz quill quince rabbit radish raven reef ribbon river robin rocket rose ruby saddle saffron salmon sandal sapphire
satin scarlet shell silver slate sparrow spruce starling summit sunset swallow tamarind teal thimble thistle topaz trellis
trout tulip turnip umber valley vanilla velvet violet walnut warbler willow window winter yarrow yonder zephyr zinnia
""".split()

PLACEHOLDER = re.compile(r"\b(?:x|X|xc|p|P)_[A-Za-z0-9_]+\b")


def draw(text, rng):
    """One value of a parameter: `5`, `a|b|c`, `10..20`; a range over more than a factor of eight is drawn evenly in its
    logarithm."""
    text = str(text)
    if "|" in text:
        return rng.choice(text.split("|"))
    if ".." not in text:
        return text
    low, high = (int(t.replace("_", "")) for t in text.split(".."))
    if low > 0 and high > 8 * low:
        return str(round(low * (high / low) ** rng.random()))
    return str(rng.randint(low, high))


class Names:
    """What the placeholders of one program stand for."""

    def __init__(self, params, rng):
        self.rng = rng
        self.free = WORDS[:]
        rng.shuffle(self.free)
        self.known = {f"P_{name}": draw(params[name], rng) for name in sorted(params)}

    def word(self, placeholder):
        kind, name = placeholder.split("_", 1)
        key = kind.lower() + "_" + name.lower()
        if kind == "P":
            return self.known[placeholder]
        if key not in self.known:
            self.known[key] = (self.free.pop(), self.free.pop())
        first, second = self.known[key]
        if kind == "p":
            return first
        if kind == "xc":
            return f"{first}_{second}"
        return (first if kind == "x" else first.capitalize()) + second.capitalize()

    def fill(self, text):
        """The text with every placeholder replaced."""
        return PLACEHOLDER.sub(lambda m: self.word(m.group()), text)


def bare(text):
    """A source without the comments that stand alone on a line: they tell what it is. Directives, and a cgo preamble,
    are code."""
    lines = text.split("\n")
    kept = [line for line in lines
            if not re.match(r"\s*//(?!go:|export |line |\s*\+build)", line) and not re.match(r"\s*/\*.*\*/\s*$", line)]
    return "\n".join(kept).lstrip("\n")


def sources(folder, common, names):
    """{path: text} of a program."""
    out = {}
    for where in (common, folder):
        for path in sorted(p for p in where.rglob("*") if p.is_file()):
            out[names.fill(str(path.relative_to(where)))] = names.fill(bare(path.read_text(encoding="utf-8")))
    return out
