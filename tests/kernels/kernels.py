#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey on kernels as Debian and Ubuntu distribute them. Usage: kernels.py OSPREY FOLDER [KERNEL...]

KERNEL is 5.10, 6.1 or 6.12 (Debian 11, 12, 13, in the build for clouds; with -amd64 behind it, as in 6.1-amd64, the one for
all machines), or 5.15 or 6.8 (Ubuntu 22.04, 24.04; with Ubuntu's keyring). Without any, these five. The packages are fetched by apt from the distribution's mirror (OSPREY_MIRROR for
another one) into FOLDER, unpacked there and not installed. qemu boots each, without KVM, with osprey and the programs
of tests/targets in an initramfs; what they print comes out over the second serial line and is judged here, by the same rules
as on this machine (tests/live). Prints TAP. Slow: some minutes a kernel."""
import gzip
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tarfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "live"), str(HERE.parent / "why")]

import build  # noqa: E402
import matrix  # noqa: E402
import rows  # noqa: E402
import stacks  # noqa: E402
from tap import Tap  # noqa: E402
import test_sampler  # noqa: E402

# Its release, the package that names its newest build, and whether BPF must work: bpf_loop came with Linux 5.17.
KERNELS = {
    "5.10": ("bullseye", "linux-image-cloud-amd64", False),
    "5.15": ("jammy", "linux-image-virtual", False),
    "6.1": ("bookworm", "linux-image-cloud-amd64", True),
    "6.8": ("noble", "linux-image-virtual", True),
    "6.12": ("trixie", "linux-image-cloud-amd64", True),
}
KERNELS |= {word + "-amd64": (release, "linux-image-amd64", bpf)
            for word, (release, package, bpf) in KERNELS.items() if "cloud" in package}
UBUNTU = ("jammy", "noble")
MIRRORS = ["http://deb.debian.org/debian", "http://archive.debian.org/debian"]
UBUNTU_MIRRORS = ["http://archive.ubuntu.com/ubuntu", "http://old-releases.ubuntu.com/ubuntu"]
SECONDS = 3
CALLS = 30000
EVENTS = "cpu,wall,context-switches,wakeups,syscalls,page-faults,sched:sched_process_exit"
BOOT_LIMIT = 1800

# Rows of the matrix of `osprey why`; each program lies in the guest as w0, w1 ...
WHY = [build.Program(row, "kernels") for row in rows.read() if row.name in (
    "cgo-c-spin", "cgo-native-thread", "cgo-call-storm", "clock-storm", "spin-select", "spin-gosched", "c-spin", "c-compute",
    "compute")]


# ---- packages ------------------------------------------------------------------------------------------------

def keyring(release):
    return f"/usr/share/keyrings/{'ubuntu' if release in UBUNTU else 'debian'}-archive-keyring.gpg"


def apt(release, mirror, folder):
    """The environment in which apt sees that release, and nothing of this machine's."""
    (folder / "lists/partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text("".join(
        f"deb [arch=amd64 check-valid-until=no signed-by={keyring(release)}] {mirror} {suite} main\n"
        for suite in ([release, release + "-updates"] if release in UBUNTU else [release])))
    (folder / "apt.conf").write_text(f'''
Dir::Etc::SourceList "{folder}/sources.list"; Dir::Etc::SourceParts "-"; Dir::Etc::Preferences "-";
Dir::Etc::PreferencesParts "-"; Dir::State "{folder}"; Dir::State::Lists "{folder}/lists"; Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache"; APT::Architecture "amd64"; APT::Sandbox::User ""; Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
''')
    return dict(os.environ, APT_CONFIG=str(folder / "apt.conf"))


def fetch(release, names, folder):
    """The .deb files of these packages; of a package that only names another, that other's."""
    if (folder / "fetched").exists():
        return sorted(folder.glob("*.deb"))
    problem = ""
    mirrors = UBUNTU_MIRRORS if release in UBUNTU else MIRRORS
    for mirror in [os.environ["OSPREY_MIRROR"]] if "OSPREY_MIRROR" in os.environ else mirrors:
        env = apt(release, mirror, folder)
        got = subprocess.run(["apt-get", "-qq", "update"], env=env, capture_output=True, text=True)
        problem = got.stdout + got.stderr
        real = []
        for name in names:
            told = subprocess.run(["apt-cache", "depends", name], env=env, capture_output=True, text=True).stdout
            image = re.search(r"Depends: (linux-image-\d\S*)", told)
            real += [image[1] if image else name] if told else []
        if len(real) == len(names):
            subprocess.run(["apt-get", "-qq", "download", *real], env=env, cwd=folder, check=True, stderr=subprocess.DEVNULL)
            (folder / "fetched").touch()
            return sorted(folder.glob("*.deb"))
    raise SystemExit(f"kernels: {release} cannot be fetched: {problem.strip()[-500:]}")


def member(debs, pattern):
    """The bytes of the one file in these packages whose path matches."""
    for deb in debs:
        data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for entry in tar:
                if entry.isfile() and re.fullmatch(pattern, entry.name):
                    return tar.extractfile(entry).read()
    raise SystemExit(f"kernels: no {pattern} in {debs}")


# ---- the guest -----------------------------------------------------------------------------------------------

class Initramfs:
    """A cpio archive as the kernel reads it (Documentation/driver-api/early-userspace/buffer-format)."""

    def __init__(self):
        self.out, self.dirs = io.BytesIO(), {""}

    def add(self, path, data=b"", mode=stat.S_IFREG | 0o755):
        parent = os.path.dirname(path)
        if parent not in self.dirs:
            self.add(parent, mode=stat.S_IFDIR | 0o755)
        if stat.S_ISDIR(mode):
            self.dirs.add(path)
        self._entry(path, data, mode)

    def _entry(self, path, data, mode):
        name = path.encode() + b"\0"
        fields = [0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
        self.out.write(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    def packed(self):
        self._entry("TRAILER!!!", b"", 0)
        return gzip.compress(self.out.getvalue(), 1)


def libraries(program):
    told = subprocess.run(["ldd", str(program)], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", told)


def quoted(words):
    return " ".join(shlex.quote(w) for w in words)


def script(bpf):
    """What init does: all cases, one after the other."""
    def path(words):
        return quoted(["/targets/" + words[0]] + ["/targets/" + w if w.endswith(".so") else w for w in words[1:]])

    line = ["says doctor osprey doctor", "says doctor-json osprey doctor --json",
            "says user as_user /bin/osprey doctor"]
    for i, (_, words, _, fallback) in enumerate(test_sampler.CASES):
        line += [f"target s{i} {path(words)}"]
        line += [f"records s{i}b $pid"] if bpf or i == 0 else []
        line += [f"records s{i}p $pid --no-bpf"] if fallback else []
        line += ["ends truth" if words == ["shares"] else "ends"]
    for i in range(len(WHY)):
        line += [f"target w{i} /targets/w{i}", f"says w{i} osprey why $pid --json -d {SECONDS}", "ends"]
    deep = path(["cgo-deep"])
    line += [f"target one {deep}", "says screen osprey record $pid -d 2 -o /tmp/screen.pb.gz --cost",
             "says why-screen osprey why $pid -d 2", "says top osprey pprof -top /tmp/screen.pb.gz",
             "says user-record as_user /bin/osprey record $pid -d 1 -o /tmp/user.pb.gz"]
    line += ["says ps osprey ps --json -d 1", f"says live osprey top $pid --json -d {SECONDS}"]
    if not bpf:
        line += ["says events osprey record $pid -d 1 -e off-cpu -o /tmp/events.pb.gz", "says calls osprey syscalls $pid -d 1"]
    if bpf:
        line += [f"says calls osprey syscalls --json -- busybox dd if=/dev/zero of=/dev/null bs=1 count={CALLS}",
                 f"says events osprey record -e {EVENTS} --wakers -o /tmp/events.pb.gz --json -d 2 $pid",
                 "one=$pid", f"containers {deep}", "settings $one"]
    return "\n".join(line)


def initramfs(osprey, targets, busybox, bpf):
    image = Initramfs()
    programs = {"bin/osprey": osprey} | {"targets/" + p.name: p for p in sorted(targets.iterdir()) if p.is_file()}
    needed = {lib for p in programs.values() for lib in libraries(p)}
    for place, file in programs.items():
        image.add(place, pathlib.Path(file).read_bytes())
    for lib in sorted(needed):
        image.add(lib.lstrip("/"), pathlib.Path(lib).read_bytes())
    image.add("bin/busybox", busybox)
    for place in ("proc", "sys", "dev", "tmp", "out", "root"):
        image.add(place, mode=stat.S_IFDIR | 0o1777)
    image.add("etc/passwd", b"root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n")
    image.add("etc/group", b"root:x:0:\nuser:x:1000:\n")
    image.add("guest.sh", (HERE / "guest.sh").read_bytes())
    image.add("cases.sh", script(bpf).encode() + b"\n")
    image.add("init", f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
chmod 1777 /tmp
ip link set lo up
seconds={SECONDS}
. /guest.sh
. /cases.sh
uname -r >/out/release
dmesg >/out/dmesg
stty -F /dev/ttyS1 raw
cd /out && tar -cf /dev/ttyS1 .
sync
poweroff -f
""".encode())
    return image.packed()


def boot(folder, kernel, archive):
    """Boot it and give the files that it left, by name."""
    (folder / "vmlinuz").write_bytes(kernel)
    (folder / "initramfs").write_bytes(archive)
    results = folder / "results.tar"
    results.unlink(missing_ok=True)
    with open(folder / "console.log", "wb") as console:
        try:
            subprocess.run(["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "2G", "-smp", "2", "-display", "none",
                            "-no-reboot", "-monitor", "none", "-serial", "stdio", "-serial", f"file:{results}", "-nic", "none",
                            "-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initramfs"),
                            "-append", "console=ttyS0 quiet panic=-1"],
                           stdin=subprocess.DEVNULL, stdout=console, stderr=console, timeout=BOOT_LIMIT, check=True)
            with tarfile.open(results) as tar:
                return {os.path.basename(e.name): tar.extractfile(e).read() for e in tar if e.isfile()}
        except (subprocess.SubprocessError, tarfile.TarError) as why:
            tail = (folder / "console.log").read_text(errors="replace")[-2000:]
            raise SystemExit(f"kernels: the guest did not come to its end: {why}\n{tail}") from why


# ---- judging -------------------------------------------------------------------------------------------------

class Result:
    """What one run of osprey in the guest left."""

    def __init__(self, files, name, work):
        text = {end: files.get(f"{name}.{end}", b"").decode(errors="replace") for end in ("out", "err", "status", "told")}
        self.out, self.err, self.status = text["out"], text["err"].strip(), int(text["status"] or -1)
        self.alive = f"{name}.alive" in files
        self.profile = work / f"{name}.pb.gz"
        self.profile.write_bytes(files.get(f"{name}.pb.gz", b""))

    def json(self):
        return json.loads(self.out)


def sampled(files, work, name, case, told, by_bpf, tap, title):
    run = Result(files, name, work)
    said = run.json() if run.status == 0 else {}
    bad = [f"exit status {run.status}: {run.err}"] if run.status else \
        test_sampler.judge(said, run.alive, str(run.profile), case[2], told, by_bpf)
    if said:
        print(f"# {said['complete']} of {said['samples']} complete, {said['lost']} lost, {said['unsymbolised']} of "
              f"{said['addresses']} addresses without name, {said['hz']} Hz, {said['bpf_run_ns']} ns in {said['bpf_runs']} BPF runs")
    tap.same(title, bad)
    return said


def judge_lists(files, release, work, tap):
    """ps and top beside cgo-deep, one goroutine of which burns in C."""
    run = Result(files, "ps", work)
    rows = [p for p in run.json()["processes"] if p["name"] == "cgo-deep"] if run.status == 0 else []
    tap.same(f"{release}: ps", [] if rows else [f"exit status {run.status}: {run.err} {run.out[:300]}"])
    run = Result(files, "live", work)
    tap.same(f"{release}: top", [] if run.status == 0 and "c_burn" in run.out else
             [f"exit status {run.status}: {run.err} {run.out[:300]}"])


def judge(files, bpf, work, tap):
    def text(name):
        return files.get(name, b"").decode(errors="replace")

    release = text("release").strip()
    for name in ("doctor.out", "screen.out", "why-screen.out", "user.out", "user-record.err"):
        for line in text(name).splitlines():
            print(f"# {name}: {line}")
    host = json.loads(text("doctor-json.out"))
    ability = {a["name"]: a for a in host["abilities"]}["complete stacks, by BPF"]
    tap.case(f"{release}: doctor says whether BPF works",
             (ability["can"] == "yes") == bpf and (bpf or "5.17" in ability["why"]), ability)
    for i, case in enumerate(test_sampler.CASES):
        told = text(f"s{i}.told")
        if bpf:
            sampled(files, work, f"s{i}b", case, told, True, tap, f"{release}: {case[0]}, by BPF")
        elif i == 0:
            said = sampled(files, work, f"s{i}b", case, told, False, tap, f"{release}: {case[0]}, BPF asked for")
            notice = said.get("gave_up", "")
            print(f"# {notice}")
            tap.case(f"{release}: one line says that BPF is missing and what is done instead",
                     re.search(r"without BPF .*5\.17.*copies", notice) and "\n" not in notice, notice)
        if case[3]:
            sampled(files, work, f"s{i}p", case, told, False, tap, f"{release}: {case[0]}, without BPF")
    for i, program in enumerate(WHY):
        left, run = Result(files, f"w{i}", work), matrix.Run(program)
        run.status, run.error = left.status, left.err
        run.answer = left.json() if left.status in (0, 3) else None
        matrix.judge(program, run)
        tap.case(f"{release}: why of {program.row.name}", not run.wrong, run.wrong, run.short())
    judge_lists(files, release, work, tap)
    if not bpf:
        for name, what in (("events", "waits"), ("calls", "system calls")):
            run = Result(files, name, work)
            tap.same(f"{release}: one line says that {what} need BPF",
                     [] if run.status == 1 and re.search(r"without BPF.*5\.17", run.err) and "\n" not in run.err else
                     [f"exit status {run.status}: {run.err}"])
        return
    run = Result(files, "calls", work)
    said = [c["calls"] for c in run.json()["calls"] if c["name"] == "write"] if run.status == 0 else []
    tap.case(f"{release}: each system call is counted", said and CALLS <= said[0] <= CALLS + 9, said, run.err)
    run = Result(files, "events", work)
    tap.case(f"{release}: all events that the kernel has", run.status == 0 and run.json()["samples"] > 0, run.out, run.err)
    deep = test_sampler.CASES[0]
    for name, how in (("inner", "in a container, osprey too"), ("outer", "in a container, osprey outside"),
                      ("hardened", "bpf_jit_harden = 2"), ("integrity", "lockdown for integrity, as with Secure Boot")):
        sampled(files, work, name, deep, "", True, tap, f"{release}: {how}")
    for name, how, why in (("interpreted", "bpf_jit_enable = 0", "bpf_jit_enable=1"),
                           ("confidentiality", "lockdown for confidentiality", "locked down for confidentiality")):
        if f"{name}.status" not in files:
            tap.skip(f"{release}: {how}", "this kernel does not offer it")
            continue
        said = sampled(files, work, name, deep, "", False, tap, f"{release}: {how}: falls back")
        print(f"# {said.get('gave_up', '')}")
        tap.case(f"{release}: {how}: says so", why in said.get("gave_up", ""), said)


def main():
    osprey, folder = pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(sys.argv[2]).absolute()
    wanted = sys.argv[3:] or [word for word in KERNELS if not word.endswith("-amd64")]
    for word in wanted:
        if word not in KERNELS:
            raise SystemExit(f"kernels: which kernel? {', '.join(KERNELS)}")
    names = {c[1][0] for c in test_sampler.CASES} | {"libpulse.so", "libpulse-stripped.so"}
    subprocess.run(["sh", str(HERE.parent / "targets" / "build.sh"), str(folder / "targets"), *sorted(names)], check=True,
                   stdout=subprocess.DEVNULL)
    for program, why in build.build_all(WHY, folder / "why").items():
        raise SystemExit(f"kernels: {program.row.name} is not built: {why}")
    for i, program in enumerate(WHY):
        for file in program.path.parent.iterdir():
            shutil.copy(file, folder / "targets" / (f"w{i}" if file == program.path else file.name))
    tap = Tap()
    test_sampler.TYPICAL = 0.8 # on an emulated machine timer interrupts and the Go runtime take their share
    for word in wanted:
        release, package, bpf = KERNELS[word]
        place = folder / word
        if not os.path.exists(keyring(release)):
            tap.skip(f"{word} of {release}", f"there is no {keyring(release)}")
            continue
        debs = fetch(release, [package, "busybox-static"], place)
        archive = initramfs(osprey, folder / "targets", member(debs, r"\./(usr/)?bin/busybox"), bpf)
        start = time.monotonic()
        files = boot(place, member(debs, r"\./boot/vmlinuz-.*"), archive)
        print(f"# {word}: {files['release'].decode().strip()} of {release} ran {time.monotonic() - start:.0f} s in qemu")
        (place / "results").mkdir(exist_ok=True)
        for name, data in files.items():
            (place / "results" / name).write_bytes(data)
        judge(files, bpf, place / "results", tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
