# SPDX-License-Identifier: Apache-2.0
"""Programs of the matrix, from their rows: rendered, built, and kept by their content."""
import concurrent.futures
import functools
import hashlib
import os
import pathlib
import random
import re
import shutil
import subprocess

import render

HERE = pathlib.Path(__file__).resolve().parent
KEPT_BYTES = 1 << 30
# What a row without a release of its own is built with beside the newest, one after the other.
RELEASES = ["go1.18.10", "go1.20.14", "go1.21.13", "go1.22.12", "go1.23.12", "go1.24.13", "go1.25.9", "go1.27.1"]


class Unbuilt(Exception):
    """Why a program cannot be had here, or was not built."""


@functools.lru_cache(maxsize=None)
def module_cache():
    """Where the toolchains are, whatever GOPATH is."""
    try:
        return subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True, cwd="/").stdout.strip()
    except FileNotFoundError as e:
        raise Unbuilt("go is not installed") from e


@functools.lru_cache(maxsize=None)
def go_version(release):
    """The release as the go command names it; raises Unbuilt if it cannot be had."""
    env = dict(os.environ, GOTOOLCHAIN=release, GOFLAGS="", GOENV="off", GOMODCACHE=module_cache())
    run = subprocess.run(["go", "version"], env=env, capture_output=True, text=True, check=False, cwd="/")
    if run.returncode:
        raise Unbuilt(f"{release} cannot be had: {(run.stderr.strip().splitlines() or ['?'])[-1][:200]}")
    return re.search(r"go1\.\d+(\.\d+)?", run.stdout).group()


def is_here(release):
    try:
        return bool(go_version(release))
    except Unbuilt:
        return False


def minor(version):
    return int(version.split(".")[1])


class Program:
    """A row, made into an executable with names and sizes of its own."""

    def __init__(self, row, seed, release="local", stripped=False):
        self.row, self.seed = row, seed
        rng = random.Random(f"{seed}/{row.name}")
        self.names = render.Names(row.params, rng)
        self.go = row.build in ("go", "cgo")
        self.release = row.go or release
        self.stripped = stripped or "stripped" in row.flags
        common = HERE / "common" / ("go" if self.go else "c")
        self.sources = render.sources(HERE / "programs" / row.program, common, self.names)
        self.path = None

    def say(self, text):
        return self.names.fill(text)

    def params(self):
        return " ".join(f"{k[2:]}={v}" for k, v in sorted(self.names.known.items()) if k.startswith("P_"))

    def what(self):
        """Its release and sizes, for people."""
        return ", ".join(filter(None, [go_version(self.release) if self.go else "", self.params()]))

    def build(self, folder):
        version = go_version(self.release) if self.go else ""
        how = [self.row.build, self.row.flags, self.row.cflags, version, str(self.stripped), os.environ.get("CC", "cc")]
        key = hashlib.sha256(repr((sorted(self.sources.items()), how)).encode()).hexdigest()[:20]
        home = folder / key
        name = self.say("p_program")
        self.path = home / "bin" / name
        if (home / "done").exists():
            os.utime(home / "done")
            return
        shutil.rmtree(home, ignore_errors=True)
        # An old go command wants the sources under GOPATH; a new one does not mind.
        source = home / "src" / self.say("p_module")
        for path, text in self.sources.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_text(text, encoding="utf-8")
        self.path.parent.mkdir(parents=True)
        libraries = [p for p in source.iterdir() if p.is_dir() and list(p.glob("*.c")) and not list(p.glob("*.go"))]
        for library in libraries:
            self.run([os.environ.get("CC", "cc"), "-O2", "-g", "-shared", "-fPIC", *self.strip(), "-o",
                      str(self.path.parent / f"lib{library.name}.so"), *map(str, sorted(library.glob("*.c"))), "-lpthread"])
        if self.go:
            self.build_go(source, version)
        else:
            compiler = "c++" if self.row.build == "c++" else os.environ.get("CC", "cc")
            files = sorted(str(p) for p in source.iterdir() if p.suffix in (".c", ".cpp"))
            self.run([compiler, "-O2", "-g", *self.row.cflags.split(), *self.strip(), "-o", str(self.path), *files,
                      "-lpthread", "-lm", "-ldl"])
        (home / "done").touch()

    def strip(self):
        return ["-s"] if self.stripped else []

    def build_go(self, source, version):
        env = dict(os.environ, GOTOOLCHAIN=self.release, GOFLAGS="", GOENV="off", GO111MODULE="auto", GOPATH=str(source.parent.parent),
                   GOMODCACHE=module_cache(), CGO_ENABLED="1" if self.row.build == "cgo" else "0", GOPROXY="off",
                   CGO_CFLAGS=f"-O2 -g {self.row.cflags}".strip())
        words = ["go", "build"]
        if minor(version) >= 18:
            words.append("-buildvcs=false")
        if "race" in self.row.flags:
            words.append("-race")
            env["CGO_ENABLED"] = "1"
        if self.stripped:
            words.append("-ldflags=-s -w")
        if minor(version) >= 11:
            env["GO111MODULE"] = "on"
            (source / "go.mod").write_text(f"module {source.name}\n\ngo 1.{self.row.language or minor(version)}\n",
                                           encoding="utf-8")
        self.run([*words, "-o", str(self.path)], cwd=source, env=env)

    def run(self, words, **how):
        run = subprocess.run(words, capture_output=True, text=True, check=False, **how)
        if run.returncode:
            raise Unbuilt(f"{' '.join(words)}: {(run.stderr or run.stdout).strip()[-1500:]}")


def build_all(programs, folder, jobs=2):
    """{program: what is wrong} of those that could not be built."""
    folder.mkdir(parents=True, exist_ok=True)

    def one(program):
        try:
            program.build(folder)
        except Unbuilt as e:
            return program, str(e)
        return program, None
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        wrong = {program: why for program, why in pool.map(one, programs) if why}
    forget(folder, {p.path.parent.parent for p in programs if p.path})
    return wrong


def forget(folder, needed):
    """Keep the newest builds only."""
    homes = sorted((h for h in folder.iterdir() if (h / "done").exists()), key=lambda h: -(h / "done").stat().st_mtime)
    kept = 0
    for home in homes:
        kept += sum(p.stat().st_size for p in home.rglob("*") if p.is_file())
        if kept > KEPT_BYTES and home not in needed:
            shutil.rmtree(home, ignore_errors=True)
