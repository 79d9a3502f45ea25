#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names for profiles that come with addresses only: from files, wherever they are, and from servers.

    pprof_symbolise.py OSPREY

What a Go program's own profile says is the truth about the addresses in it. Where go tool pprof can do the same, it is
asked too; it knows the outermost function of an address only, so it is compared with -noinlines. TAP on stdout.
"""
import collections
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile

from pprof_fetch import Server, Tool, peer_of
from protobuf import fields, put
from tap import Tap

PROGRAM = r"""
package main

import ("encoding/json"; "os"; "regexp"; "runtime/pprof"; "sort"; "strings"; "time")

type record struct { A []int; B map[string]string }

func square(v int) int { return v * v % 7 }

func work(n int) int {
	s := 0
	for i := 0; i < n; i++ {
		x := make([]int, 100)
		for j := range x { x[j] = (j*7919 + i) % 101 }
		sort.Ints(x)
		for _, v := range x { s += square(v) }
	}
	return s
}

func main() {
	f, _ := os.Create(os.Args[1])
	pprof.StartCPUProfile(f)
	re := regexp.MustCompile("a(b|c)*d")
	t := 0
	for end := time.Now().Add(700 * time.Millisecond); time.Now().Before(end); {
		t += work(500)
		b, _ := json.Marshal(record{[]int{t}, map[string]string{"a": strings.Repeat("x", 1000)}})
		var q record
		json.Unmarshal(b, &q)
		re.MatchString(strings.Repeat("abcbc", 50) + "d")
	}
	pprof.StopCPUProfile()
	f.Close()
}
"""


# ---- protobuf ---------------------------------------------------------------------------------------------------

def bare(profile, file=None, build_id=None):
    """The profile without functions and lines; the first mapping of another file or build id."""
    out, first, strings = b"", True, []
    for f, v in fields(profile):
        if f == 6:
            strings.append(v)
    extra = [s for s in (file, build_id) if s is not None]
    for f, v in fields(profile):
        if f == 4:
            v = b"".join(put(a, b) for a, b in fields(v) if a != 4)
        if f == 3:
            have = dict((a, b) for a, b in fields(v) if a < 7)
            if first and file is not None:
                have[5] = len(strings)
            if first and build_id is not None:
                have[6] = len(strings) + (file is not None)
            first = False
            v = b"".join(put(a, b) for a, b in have.items())
        if f != 5:
            out += put(f, v)
    return out + b"".join(put(6, s.encode()) for s in extra)


def of_names(names):
    """A profile with a sample a name."""
    out = put(1, put(1, 1) + put(2, 2))
    for i, name in enumerate(names, 1):
        out += put(2, put(1, i) + put(2, 10**6 - i)) + put(4, put(1, i) + put(4, put(1, i))) + \
            put(5, put(1, i) + put(2, i + 2) + put(3, i + 2))
    return out + b"".join(put(6, s.encode()) for s in ["", "cpu", "nanoseconds", *names])


def build_id_of(profile):
    strings = [v for f, v in fields(profile) if f == 6]
    first = next(dict(fields(v)) for f, v in fields(profile) if f == 3)
    return strings[first.get(6, 0)].decode()


def keep(folder, name, profile):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(gzip.compress(profile))
    return path


# ---- from files -------------------------------------------------------------------------------------------------

def go_program(root, name, *how):
    """A program, and the profile it took of itself."""
    folder = os.path.join(root, name + ".src")
    os.makedirs(folder)
    with open(os.path.join(folder, "main.go"), "w", encoding="utf-8") as f:
        f.write(PROGRAM)
    with open(os.path.join(folder, "go.mod"), "w", encoding="utf-8") as f:
        f.write("module example.org/named\n\ngo 1.21\n")
    binary, profile = os.path.join(root, name), os.path.join(root, name + ".pb.gz")
    subprocess.run(["go", "build", *how, "-o", binary, "."], cwd=folder, check=True)
    subprocess.run([binary, profile], check=True)
    with open(profile, "rb") as f:
        return binary, profile, gzip.decompress(f.read())


ROW = re.compile(r"^ *(\S+ +\S+) +\S+ +(\S+ +\S+ .*?)(\S+):(\d+)( .*)?$")


def in_one_file(want, got):
    """Both reports alike for functions whose body is in several files, as that of generic code is: Go's own profile says of
    all its lines that they are in the file of the first. Then the order of rows is another, too, and the sums with it."""
    files = collections.defaultdict(set)
    for line in got[1].splitlines():
        row = ROW.match(line)
        if row:
            files[re.sub(r"^.* ", "", row[2].strip())].add(row[3])
    several = {name for name, of in files.items() if len(of) > 1}
    if not several:
        return want, got

    def without(report):
        rows = []
        for line in report[1].splitlines():
            row = ROW.match(line)
            file = "*" if row and re.sub(r"^.* ", "", row[2].strip()) in several else row and row[3]
            rows.append(f"{row[1]} {row[2]} {file}:{row[4]}{row[5] or ''}" if row else line)
        return report[0], "\n".join(sorted(rows)), report[2]
    return without(want), without(got)


def from_files(tap, peer, osprey, root):
    for name, how in {"plain": [], "pie": ["-buildmode=pie"], "stripped": ["-ldflags=-s -w"]}.items():
        binary, profile, truth = go_program(root, name, *how)
        nameless = keep(root, name + ".bare.pb.gz", bare(truth))
        for flags in ["-top"], ["-top", "-lines", "-nodefraction=0"], ["-top", "-addresses", "-nodefraction=0"]:
            want, got = osprey.run(*flags, profile), osprey.run(*flags, nameless)
            tap.equal(f"{name}: the program's own names, {' '.join(flags)}", *in_one_file(want, got))
        want, got = (t.run("-top", "-noinlines", "-nodefraction=0", nameless) for t in (peer, osprey))
        tap.equal(f"{name}: go tool pprof's names", want, got)
        want, got = (t.run("-top", "-symbolize=none", nameless) for t in (peer, osprey))
        tap.equal(f"{name}: no names at all", want, got)
        want, got = (osprey.run("-top", *f, nameless) for f in ([], ["-symbolize=local:force"]))
        tap.equal(f"{name}: by force", want, got)
        want, got = (t.run("-top", "-symbolize=fastlocal", "-noinlines", nameless) for t in (peer, osprey))
        tap.equal(f"{name}: only functions", want, got)
    return binary, truth


def called(text):
    """A report without the name of the main binary."""
    return re.sub(r"^File: .*$", "File: NAME", text, flags=re.MULTILINE)


def search_path(tap, peer, osprey, root, binary, truth):
    build_id = build_id_of(truth)
    missing = keep(root, "missing.pb.gz", bare(truth, "/not/here/named"))
    other = keep(root, "other.pb.gz", bare(truth, binary, "0123456789abcdef"))
    want = osprey.run("-top", keep(root, "here.pb.gz", bare(truth, binary)))
    shown = called(want[1])
    for question in [["-top", missing]], [["-top", "-symbolize=local", missing]]:
        theirs, ours = (t.run(*question[0]) for t in (peer, osprey))
        tap.case("a file that is not there", theirs == ours, *theirs, *ours)
    got = osprey.run("-top", binary, missing)
    tap.case("named on the command line", (got[0], called(got[1])) == (0, shown), *got)
    places = [f"{build_id}/named", f"{build_id}/whatever", f"not/here/named/{build_id}",
              f"{build_id[:2]}/{build_id[2:]}.debug", "named", "not/here/named", "not/here/named.debug",
              "not/here/.debug/named.debug", "usr/lib/debug/not/here/named.debug"]
    for i, place in enumerate(places):
        at = os.path.join(root, f"search{i}", place)
        os.makedirs(os.path.dirname(at))
        shutil.copy(binary, at)
        got = osprey.run("-top", missing, PPROF_BINARY_PATH=f"/nothing:{os.path.join(root, f'search{i}')}")
        fits = got[0] == 0 and called(got[1]) == shown and not got[2]
        tap.case(f"found as {place.replace(build_id, 'BUILDID')}", fits, shown, *got)
    at = os.path.join(osprey.home, "pprof", "binaries")
    os.makedirs(at)
    shutil.copy(binary, os.path.join(at, "named"))
    got = osprey.run("-top", missing)
    tap.case("found in ~/pprof/binaries", called(got[1]) == shown, shown, *got)
    got = osprey.run("-top", other, PPROF_BINARY_PATH=os.path.dirname(binary))
    tap.case("not of this build", f"Ignoring local file {binary}: build-id mismatch (0123456789abcdef != {build_id})" in got[2]
             and "build ID mismatch" in got[2] and "main.work" not in got[1], *got)


def at_addresses(addresses, start, limit, offset, file, build_id=""):
    """A profile with a sample an address, of one mapping."""
    out = put(1, put(1, 1) + put(2, 2)) + put(3, put(1, 1) + put(2, start) + put(3, limit) + put(4, offset) + put(5, 3) +
                                              put(6, 4))
    for i, addr in enumerate(addresses, 1):
        out += put(2, put(1, i) + put(2, 10**6 - i)) + put(4, put(1, i) + put(2, 1) + put(3, addr))
    return out + b"".join(put(6, s.encode()) for s in ["", "cpu", "nanoseconds", file, build_id])


def c_program(tap, osprey, root):
    """The linker's own table is the truth."""
    if not shutil.which("gcc") or not shutil.which("nm") or not shutil.which("readelf"):
        tap.skip("a C program", "no gcc or binutils here")
        return
    source = os.path.join(root, "prog.c")
    with open(source, "w", encoding="utf-8") as f:
        f.write("".join(f"__attribute__((noinline)) int fun{i}(int x) {{\n  return x * {i} + 1;\n}}\n" for i in range(40)) +
                "int main(int n, char **v) {\n  (void)v;\n  return " + " + ".join(f"fun{i}(n)" for i in range(40)) + ";\n}\n")
    for how in ["-pie", "-fPIE", "-g"], ["-no-pie", "-g"], ["-no-pie"], ["-pie", "-fPIE"]:
        binary = os.path.join(root, "prog")
        subprocess.run(["gcc", "-O1", *how, "-o", binary, source], check=True)
        listed = subprocess.run(["nm", binary], capture_output=True, text=True, check=True).stdout
        symbol = {int(line.split()[0], 16): line.split()[2] for line in listed.splitlines()
                  if re.search(r" T (fun\d+|main)$", line)}
        headers = subprocess.run(["readelf", "-lW", binary], capture_output=True, text=True, check=True).stdout
        text = next(line.split() for line in headers.splitlines() if re.search(r"LOAD.* R E ", line))
        offset, vaddr, size = (int(text[i], 16) for i in (1, 2, 4))
        start = vaddr + 0x560000000000 if "-pie" in how else vaddr
        profile = keep(root, "prog.pb.gz", at_addresses([a - vaddr + start for a in symbol], start, start + size, offset, binary))
        status, out, said = osprey.run("-top", "-lines", "-nodefraction=0", profile)
        shown = dict(re.findall(r" (fun\d+|main)(?: " + re.escape(source) + r":(\d+))?$", out, re.MULTILINE))
        lines = "-g" not in how or all(0 < int(line) - int(name[3:]) * 3 < 4 for name, line in shown.items() if name != "main")
        wrong = set(symbol.values()) ^ set(shown)
        tap.case(f"a C program, {' '.join(how)}", status == 0 and not wrong and lines and not said, wrong, out, said)


def kernel(tap, osprey, root):
    """Addresses of the kernel that runs here, and of another."""
    try:
        with open("/proc/kallsyms", encoding="utf-8") as f:
            addr = next((int(line.split()[0], 16) for line in f if line.split()[2] == "vfs_read"), 0)
        with open("/sys/kernel/notes", "rb") as f:
            notes = f.read()
    except OSError as e:
        addr, notes = 0, str(e).encode()
    at = notes.find(b"GNU\0")
    if not addr or at < 0:
        tap.skip("the running kernel", "its symbols or its build id cannot be read")
        return
    build_id = notes[at + 4:at + 24].hex()
    for name, bid, found in ("the running kernel", build_id, True), ("another kernel", "00" + build_id[2:], False), \
            ("a kernel without a build id", "", False):
        profile = keep(root, "kernel.pb.gz", at_addresses([addr + 1], addr & ~0xfff, addr + 0x1000, 0,
                                                          "[kernel.kallsyms]_stext", bid))
        got = osprey.run("-top", profile)
        tap.case(name, got[0] == 0 and (" vfs_read\n" in got[1]) == found, *got)


# ---- from servers -----------------------------------------------------------------------------------------------

def from_servers(tap, peer, osprey, truth):
    nameless = bare(truth, "", "")
    addresses = sorted({dict(fields(v)).get(3, 0) for f, v in fields(nameless) if f == 4})
    answers = {
        "all": "num_symbols: 1\n" + "".join(f"{a:#x} main.at_{a:x}\n" for a in addresses),
        "with blanks": "".join(f"x {a:#x}  \tns::f{i}<int>(char) const\n" for i, a in enumerate(addresses)),
        "some": "".join(f"{a:#x} some\n" for a in addresses[::2]) + "garbage\n0x zero\n0xfff\nunfinished 0x1",
        "none": "num_symbols: 0\n",
        "too large": "0x123456789abcdef01 name\n",
    }
    server = Server().start()
    paths = ["/debug/pprof/profile", "/service/x/profilez", "/pprof/heap", "/deep/debug/pprof/custom/"]
    for path in paths:
        server.pages[path] = gzip.compress(nameless)
    for path in paths:
        for name, text in answers.items():
            server.symbols = text
            got = []
            for tool in peer, osprey:
                server.asked.clear()
                answer = tool.run("-top", "-nodefraction=0", f"http://localhost:{server.port}{path}?seconds=1")
                # Where a number is too large, we say so in our own words.
                said = [line.partition(": strconv")[0].partition(": it takes")[0] for line in answer[2].splitlines()]
                got.append((answer[0], answer[1], said, list(server.asked)))
            tap.case(f"{path}, {name}", got[0] == got[1], *got[0], *got[1])
    server.stop = True
    server.shutdown()


def refused_names(tap, peer, osprey, truth):
    server = Server().start()
    server.pages["/debug/pprof/profile"] = gzip.compress(bare(truth, "", ""))
    server.symbols = None
    got = [t.run("-top", f"http://localhost:{server.port}") for t in (peer, osprey)]
    tap.case("a server that refuses names", got[0][0] == got[1][0] == 2 and "http post" in got[1][2]
             and "server response: 501" in got[1][2], *got[0], *got[1])
    server.stop = True
    server.shutdown()


# ---- names ------------------------------------------------------------------------------------------------------

def demangling(tap, peer, osprey, root):
    library = subprocess.run(["g++", "-print-file-name=libstdc++.so"], capture_output=True, text=True, check=False)
    if library.returncode or not shutil.which("nm"):
        tap.skip("C++ names", "no g++ or nm here")
        return
    listed = subprocess.run(["nm", "-D", "--defined-only", os.path.realpath(library.stdout.strip())], capture_output=True,
                            text=True, check=True)
    names = sorted({line.split()[2].partition("@")[0] for line in listed.stdout.splitlines()})
    names = [n for n in names if n.startswith("_Z")] + ["main.main", "std::sort<int>(int*)", "_Z3foov.cold", "x.F[go.shape.int]"]
    profile = keep(root, "names.pb.gz", of_names(names))
    for mode in "demangle=default", "demangle=templates", "demangle=full", "demangle=none", "none", "force", "full":
        want, got = (t.run("-top", "-nodefraction=0", f"-symbolize={mode}", profile) for t in (peer, osprey))
        differ = [pair for pair in zip(want[1].splitlines(), got[1].splitlines()) if pair[0] != pair[1]]
        tap.case(f"{len(names)} names of libstdc++, {mode}", want == got, *differ[:5], want[2], got[2])


def main(words):
    tap = Tap()
    with tempfile.TemporaryDirectory() as root:
        peer, why = peer_of(root)
        if not peer:
            tap.skip("names for addresses", why)
            return tap.end()
        osprey = Tool([os.path.abspath(words[0]), "pprof"], root, "osprey")
        demangling(tap, peer, osprey, root)
        binary, truth = from_files(tap, peer, osprey, root)
        if build_id_of(truth):
            search_path(tap, peer, osprey, root, binary, truth)
        else:
            tap.skip("binaries found by build id", "this Go's linker writes none")
        c_program(tap, osprey, root)
        kernel(tap, osprey, root)
        from_servers(tap, peer, osprey, truth)
        refused_names(tap, peer, osprey, truth)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
