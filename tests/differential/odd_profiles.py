# SPDX-License-Identifier: Apache-2.0
"""Profiles made up by chance, valid and odd: negative and extreme values, samples without frames, locations without lines,
functions without names, C++ names, paths with dots, sparse ids, all ways to encode repeated numbers, labels of both kinds,
drop_frames. Not a test."""
from protobuf import put, varint

NAMES = ["main.main", "main.work", "runtime.mallocgc", "leaf", "a.(*T).run", "x.F[go.shape.int].func1", "std::sort<int>(int*)",
         "ns::(anonymous namespace)::go(int, char)", "operator()", "f(g(h))", "x<y", "a)b(c)::d", ".dotted", "b.<init>", "é.ü",
         "main.work.func1", "g[...](x)", "runtime.goexit", "_ZNSt6vectorIiSaIiEE9push_backERKi", "_ZlsRSoRK3Foo", "_Znwm",
         "_ZZN3foo3barEiE5local", "_ZN12_GLOBAL__N_13runEi", "_ZN3fooD0Ev", "_Z3maxIiET_S0_S0_", "_ZNK3foocvbEv", "_Zbad",
         "__ZN3foo3barEv", "_ZN4core3fmt5write17h0123456789abcdefE", "_RNvCs1234_7mycrate3foo", "_ZN3fooltERKS_",
         "_ZZN3foo3barERKiENKUlvE_clEv", "_Z3foov.part.0", "_Z3foov.cold", "_ZTV3foo", "_ZN1AIXgtLi1ELi2EEE1fEv"]
FILES = ["main.go", "/src/a/../b.go", "./x//y.c", "/proc/self/cwd/z.cc", "", "/srv/y/proj/p.go", "/", "../../up.c", "/go/q.go",
         "/../r"]
TYPES = [("samples", "count"), ("cpu", "nanoseconds"), ("space", "bytes"), ("delay", "milliseconds"), ("widgets", "gadgets"),
         ("energy", "nanogcu")]
NUMBERS = [0, 7, -1, 1000, 1024, 1 << 20, 3 << 30, 86400, (1 << 63) - 1, -(1 << 63)]
UNITS = ["", "", "bytes", "kilobytes", "s", "ms", "widgets", "request"]
DROP = ["", "", "", "leaf|runtime.*", "main\\.work", ".*", "(", "x.F.*"]


def repeated(r, field, values):
    way = r.randrange(4)
    if way == 0:
        return b"".join(put(field, v) for v in values)
    if way == 1 and len(values) > 1:
        return put(field, values[0]) + put(field, b"".join(map(varint, values[1:])))
    return put(field, b"".join(map(varint, values))) if values else b""


def types(r):
    """Sample types; now and then two of one name."""
    some = r.sample(TYPES, r.randint(1, 3))
    return some + [(r.choice(some)[0], "count")] if r.random() < 0.05 else some


def profile(r, sample_types=None):
    """The bytes of one, by the random numbers of r."""
    texts = [""]

    def text(s):
        if s not in texts:
            texts.append(s)
        return texts.index(s)

    parts = []
    sample_types = sample_types or types(r)
    parts += [put(1, put(1, text(t)) + put(2, text(u))) for t, u in sample_types]
    maps = []
    for k in range(r.randrange(4)):
        maps.append(k + 1 if r.random() < 0.7 else r.randrange(1, 1 << 40))
        parts.append(put(3, put(1, maps[-1]) + put(2, 4096 * (k + 1)) + put(3, 4096 * (k + 2)) +
                         put(5, text(r.choice(["/bin/prog", "[vdso]", "", "lib.so", "/x/y/"]))) +
                         put(6, text(r.choice(["", "abcdef01"]))) + b"".join(put(f, 1) for f in (7, 8, 9, 10) if r.random() < 0.6)))
    functions = []
    for i, name in enumerate(r.sample(NAMES, r.randint(1, len(NAMES)))):
        functions.append(i + 1 if r.random() < 0.8 else r.randrange(100, 1 << 63))
        linker = r.choice([name, name, "", name + "_l" if name[:2] not in ("_Z", "_R") else name])
        parts.append(put(5, put(1, functions[-1]) + put(2, text(name if r.random() < 0.95 else "")) + put(3, text(linker)) +
                         put(4, text(r.choice(FILES))) + put(5, r.choice([0, 3, 70]))))
    locations = []
    for i in range(r.randint(1, 24)):
        locations.append(i + 1 if r.random() < 0.8 else r.randrange(1000, 1 << 64))
        body = put(1, locations[-1]) + put(3, r.choice([0, 4096 + i, (1 << 64) - 1 - i]))
        if maps and r.random() < 0.9:
            body += put(2, r.choice(maps))
        for _ in range(r.choice([0, 1, 1, 1, 2, 3])):
            body += put(4, put(1, r.choice(functions[:3] if r.random() < 0.2 else functions)) + put(2, r.choice([0, 1, 12, 12, 99])) + put(3, r.choice([0, 0, 5])))
        parts.append(put(4, body + (put(5, 1) if r.random() < 0.1 else b"")))
    stacks = [[r.choice(locations) for _ in range(r.choice([0, 1, 2, 3, 5, 9]))] for _ in range(12)]
    big = r.random() < 0.1
    for _ in range(r.randrange(60)):
        values = [r.choice([0, 1, 2, 10, 1000, r.randrange(10 ** 9), -r.randrange(1, 500) if r.random() < 0.3 else 7])
                  if not big else r.choice([1 << 62, -(1 << 63), (1 << 63) - 1, 5]) for _ in sample_types]
        labels = b""
        for _ in range(r.choice([0, 0, 1, 1, 2, 5])):
            key = r.choice(["route", "bytes", "request", "latency", "pprof::base" if r.random() < 0.2 else "tenant"])
            labels += put(3, put(1, text(key)) + (put(2, text(r.choice(["a", "b", "true", "a b", "é:=,"]))) if r.random() < 0.5 else
                                                  put(3, r.choice(NUMBERS)) + put(4, text(r.choice(UNITS)))))
        fields = [repeated(r, 1, r.choice(stacks)), repeated(r, 2, values), labels]
        r.shuffle(fields)
        parts.append(put(2, b"".join(fields)))
    tail = [put(7, text(r.choice(DROP))), put(8, text(r.choice(["", "", "main\\.work"]))), put(9, 1763800000123456789),
            put(10, r.choice([0, 1, 1500000000, 4000000000000])), put(11, put(1, text(r.choice(["cpu", "space"]))) + put(2, text(r.choice(["nanoseconds", "seconds", "bytes", ""])))),
            put(12, r.choice([10000000, 1, -5, 1 << 62])), put(13, text("a comment")), put(13, text("#hidden")),
            put(14, text(r.choice(["", sample_types[0][0], "none"]))), put(15, text(r.choice(["", "http://x.example/doc"])))]
    parts += r.sample(tail, r.randint(0, len(tail)))
    if r.random() < 0.3:
        r.shuffle(parts)
    return b"".join(parts) + b"".join(put(6, t.encode()) for t in texts)
