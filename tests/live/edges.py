# SPDX-License-Identifier: Apache-2.0
"""Are the stacks of a profile possible at all? The machine code says so, without trusting whoever made the profile: a
caller's address stands behind a call, and where that call is direct, it calls the function that the next frame is in.
Only a frame that something interrupted (a signal, an injected call) stands anywhere else."""
import bisect
import collections
import functools
import gzip
import re
import struct
import subprocess

# Behind these a frame was interrupted at any instruction.
INTERRUPTS = {"runtime.asyncPreempt", "runtime.sigpanic", "runtime.sigpanic0", "__restore_rt", "__restore",
              "runtime.sigreturn__sigaction", "runtime.sigreturn", "runtime.debugCallV2"}
# What a goroutine's first function and a signal handler return to, though nothing called them from there.
RETURNED_TO = {"runtime.goexit", "__restore_rt", "__restore", "runtime.sigreturn__sigaction", "runtime.sigreturn"}
# A panic has passed through C's frames: this is what the runtime puts in their place.
GIVEN_UP = {("runtime.cgocallback", "runtime.systemstack_switch"), ("runtime.cgocallback", "runtime.asmcgocall")}
# mov $15, %eax or %rax; syscall: the same without a name (musl).
SIGRETURN = b"\x0f\0\0\0\x0f\x05"
# The first frame of a stack made by hand; and what jumps there, about to leave.
STARTED = {"__start_context"}
SWITCHES = {"__longjmp", "swapcontext", "setcontext", "_Unwind_RaiseException", "_Unwind_Resume"}
# While one of these runs, it has put the place where an exception lands in place of one frame's return address.
LANDERS = {"_Unwind_RaiseException", "_Unwind_Resume", "_Unwind_ForcedUnwind", "_Unwind_Resume_or_Rethrow"}


def fields(data):
    """(number, value) of each field of a protobuf message; nested ones as bytes."""
    at, end = 0, len(data)

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < end:
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            n = varint()
            yield key >> 3, data[at:at + n]
            at += n
        else:
            raise ValueError(f"wire type {key & 7}")


def packed(data):
    at, value, shift = 0, 0, 0
    for at in data:
        value |= (at & 127) << shift
        shift += 7
        if at < 128:
            yield value
            value = shift = 0


class File:
    """The code and the symbols of an ELF file."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as f:
            self.bytes = f.read()
        phoff, phsize, phnum = struct.unpack_from("<Q", self.bytes, 32)[0], *struct.unpack_from("<HH", self.bytes, 54)
        self.segments = []
        for i in range(phnum):
            kind, flags, offset, vaddr, _, filesz = struct.unpack_from("<IIQQQQ", self.bytes, phoff + i * phsize)
            if kind == 1 and flags & 1:
                self.segments.append((vaddr, offset, filesz))
        found = {}
        for words in (["nm", "-n", path], ["nm", "-nD", path]):
            for line in subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines():
                part = line.split()
                if len(part) == 3 and part[1] in "tTwWiu":
                    found.setdefault(int(part[0], 16), part[2].split("@")[0])
        self.start = sorted(found)
        self.name = found
        sections = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True, check=False).stdout
        self.plt = []
        for line in sections.splitlines():
            part = line.replace("[ ", "[").split()
            if len(part) > 5 and part[1].startswith(".plt"):
                self.plt.append((int(part[3], 16), int(part[3], 16) + int(part[5], 16)))

    def vaddr(self, offset):
        for vaddr, at, size in self.segments:
            if at & ~4095 <= offset < at + size: # what is mapped begins with a page
                return vaddr + offset - at
        return None

    def code(self, vaddr, n):
        for start, at, size in self.segments:
            if start <= vaddr and vaddr + n <= start + size:
                return self.bytes[at + vaddr - start:at + vaddr - start + n]
        return b""

    @functools.cached_property
    def rows(self):
        """Where the rules of unwinding change."""
        said = subprocess.run(["readelf", "-W", "--debug-dump=frames-interp", self.path], capture_output=True, text=True,
                              check=False).stdout
        return {int(line.split()[0], 16) for line in said.splitlines() if re.match("[0-9a-f]{16} [a-z]", line)}

    def function(self, vaddr):
        i = bisect.bisect_right(self.start, vaddr) - 1
        return self.start[i] if i >= 0 else None

    @functools.lru_cache(None)
    def jumps(self, start):
        """Where the function at start jumps to outside itself; None where it jumps through a register or memory."""
        i = bisect.bisect_right(self.start, start)
        end = self.start[i] if i < len(self.start) else start + 4096
        code = self.code(start, min(end - start, 1 << 16))
        raw = set()
        for at, byte in enumerate(code[:-1]):
            follows = code[at + 1]
            if byte == 0xff and follows >> 3 & 7 in (4, 5):
                raw.add(None)
            if byte == 0xeb or byte & 0xf0 == 0x70:
                raw.add(start + at + 2 + struct.unpack_from("<b", code, at + 1)[0])
            elif byte == 0xe9 and at + 5 <= len(code):
                raw.add(start + at + 5 + struct.unpack_from("<i", code, at + 1)[0])
            elif byte == 0x0f and follows & 0xf0 == 0x80 and at + 6 <= len(code):
                raw.add(start + at + 6 + struct.unpack_from("<i", code, at + 2)[0])
        in_plt = any(a <= t < b for t in raw if t for a, b in self.plt)
        to = {None} if in_plt or None in raw else {self.function(t) for t in raw}
        if end in self.name and not code.rstrip(b"\xcc\x90\x00").endswith((b"\xc3", b"\x0f\x0b")):
            to.add(end)  # it may fall through
        return to

    def leads(self, vaddr, function):
        """May what is called at vaddr end up in that function by jumps alone?"""
        seen, now = set(), {self.function(vaddr)}
        for _ in range(6):
            if function in now or None in now:
                return True
            seen |= now
            now = {t for f in now for t in self.jumps(f)} - seen
        return False


@functools.lru_cache(None)
def file_of(path):
    try:
        return File(path)
    except (OSError, struct.error):
        return None


def call_before(code):
    """What stands at the end of these bytes: ("direct", distance), ("indirect", 0) or None."""
    if len(code) >= 5 and code[-5] == 0xe8:
        return "direct", struct.unpack("<i", code[-4:])[0]
    for n in (2, 3, 4, 6, 7):  # ff /2, with its displacement
        if len(code) >= n and code[-n] == 0xff and code[-n + 1] >> 3 & 7 == 2:
            return "indirect", 0
    return None


class Profile:
    def __init__(self, path):
        with gzip.open(path) as f:
            data = f.read()
        strings, self.mapping, self.location, functions, self.sample = [], {}, {}, {}, []
        raw = []
        for number, value in fields(data):
            if number == 6:
                strings.append(value.decode(errors="replace"))
            elif number == 2:
                raw.append(value)
            elif number == 3:
                m = dict(fields(value))
                self.mapping[m[1]] = (m.get(2, 0), m.get(3, 0), m.get(4, 0), m.get(5, 0))
            elif number == 4:
                at = mapping = 0
                lines = []
                for n, v in fields(value):
                    if n == 2:
                        mapping = v
                    elif n == 3:
                        at = v
                    elif n == 4:
                        lines.append(dict(fields(v)).get(1, 0))
                    elif n == 1:
                        number = v
                self.location[number] = (at, mapping, lines)
            elif number == 5:
                f = dict(fields(value))
                functions[f[1]] = f.get(2, 0)
        self.mapping = {k: (a, b, c, strings[d]) for k, (a, b, c, d) in self.mapping.items()}
        self.location = {k: (a, m, [strings[functions[x]] for x in l]) for k, (a, m, l) in self.location.items()}
        for s in raw:
            stack, count = [], 0
            for n, v in fields(s):
                if n == 1:
                    stack += packed(v) if isinstance(v, bytes) else [v]
                elif n == 2 and not count:
                    count = next(packed(v)) if isinstance(v, bytes) else v
            self.sample.append((count, stack))

    def place(self, location):
        """The file, the address in it and the name of the physical function of a location."""
        at, mapping, lines = self.location[location]
        start, _, offset, path = self.mapping.get(mapping, (0, 0, 0, ""))
        f = file_of(path) if path.startswith("/") else None
        name = lines[-1] if lines else hex(at)
        if not f or f.vaddr(offset) is None:
            return None, at, name, path
        return f, at - start + f.vaddr(offset), name, path


def wrong(path):
    """(samples with an impossible step, samples, Counter of those steps as text)."""
    p = Profile(path)
    bad, total, why = 0, 0, collections.Counter()
    place = functools.lru_cache(None)(p.place)

    @functools.lru_cache(None)
    def step(callee, caller):
        f, at, name, where = place(caller)
        cf, cat, cname, cwhere = place(callee)
        if f and SIGRETURN in f.code(at, 10):
            return None
        if not f or "[kernel" in cwhere or "[kernel" in where or cname in INTERRUPTS or name in RETURNED_TO:
            return None
        if (cname, name) in GIVEN_UP:
            return None
        if cf and (SIGRETURN in cf.code(cat, 10) or SIGRETURN in cf.code(cat - 9, 9)): # in the kernel it is behind it
            return None
        if name in STARTED or cname in SWITCHES:
            return None
        call = call_before(f.code(at + 1 - 7, 7))
        again = f.code(at + 1, 5)
        if not call and again[:1] == b"\xe8" and \
                f.name.get(f.function(at + 6 + struct.unpack("<i", again[1:])[0]), "").startswith("runtime.deferreturn"):
            return None  # until Go 1.17 a deferred function returns to the call itself
        if not call:
            return f"{name}+{at:#x} is not behind a call (of {cname})"
        if call[0] == "indirect" or not cf:
            return None
        to = at + 1 + call[1]
        if any(a <= to < b for a, b in f.plt) or not f.start:
            return None
        if f.leads(to, f.function(cat) if cf is f else None):
            return None
        target = f.name.get(f.function(to), "?")
        return f"{name}+{at:#x} calls {target}, not {cname}"

    @functools.lru_cache(None)
    def lands(caller):
        f, at, _, _ = place(caller)
        return f and at + 1 in f.rows and at + 1 not in f.name

    for count, stack in p.sample:
        total += count
        steps = list(zip(stack, stack[1:]))
        leaf = next((where[2] for where in map(place, stack) if "[kernel" not in where[3]), None)
        if leaf in LANDERS:
            landed = next((s for s in steps if step(*s) and lands(s[1])), None)
            steps = [s for s in steps if s != landed]
        found = {step(a, b) for a, b in steps} - {None}
        bad += count if found else 0
        for line in found:
            why[line] += count
    return bad, total, why
