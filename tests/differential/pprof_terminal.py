#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""osprey pprof's shell on a pseudo-terminal: editing, history, completion, and what never reaches a terminal.

    pprof_terminal.py OSPREY

TAP on stdout.
"""
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "data", "go-profiles")
PROMPT = "(pprof) "
PATIENCE = 60  # seconds; only a hang takes so long


class Terminal:
    def __init__(self, command, folder, **more):
        env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "NO_COLOR")}
        env.update(TERM="xterm", TZ="UTC", HOME=folder, LC_ALL="C.UTF-8", COLUMNS="80", LINES="24")
        env.pop("XDG_STATE_HOME", None)
        env.update(more)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, env)
        self.seen = ""
        self.lines = 0

    def type(self, text):
        self.seen = ""
        os.write(self.fd, text.encode())

    def until(self, what, then="", patience=PATIENCE):
        """Read until what has come and, behind it, then; all that came, or None."""
        end = time.monotonic() + patience
        while what not in self.seen or then not in self.seen.split(what, 1)[1]:
            ready = select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]
            try:
                got = os.read(self.fd, 65536) if ready else b""
            except OSError:  # the other side is closed
                got = b""
            if not got:
                return None
            self.seen += got.decode(errors="replace")
        return self.seen

    def line(self, text):
        """Type a line, and one that only says that the first was obeyed; what was printed until then."""
        self.lines += 1
        mark = "zz" + "abcdefghij"[self.lines // 10] + "abcdefghij"[self.lines % 10]
        self.type(f"{text}\r{mark}\r")
        return self.until(f'unrecognized command: "{mark}"', PROMPT)  # from there on keys are read one by one

    def end(self, key):
        """The exit status after that key, which is pressed again if it came while the terminal changed its mode."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                self.type(key)
            except OSError:  # it has ended
                pass
            self.until("\0never", patience=1)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        return None


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r|\x08", "", text or "")


def cases(t, folder, has_proto):
    first = t.until(PROMPT)
    yield "the banner, then the prompt", "Type: inuse_space" in plain(first) and "Entering interactive mode" in plain(first)
    out = plain(t.line("top3"))
    yield "top shows its table", "bytes.growSlice" in out and "flat%" in out
    yield "the first table explains its columns", "flat: in the function itself" in out
    out = plain(t.line("top2"))
    yield "the second does not", "flat: in the function itself" not in out and "flat%" in out
    out = plain(t.line("\x1b[A" * 2))
    yield "the arrow brings a line back", "Showing top 2 nodes" in out
    out = plain(t.line("\x1b[A" * 6 + " 1"))
    yield "and one before, which can be edited", "Showing top 1 nodes" in out
    t.line("nodec\t5")
    out = plain(t.line("o"))
    yield "an option is completed", re.search(r"nodecount += 5", out)
    t.line("nodecount=-1")
    t.line("sample_index=alloc_sp\t")
    out = plain(t.line("o"))
    yield "a sample type is completed", re.search(r"sample_index += alloc_space", out)
    t.line("inuse_sp\t")
    out = plain(t.line("o"))
    yield "a sample type by its name alone", re.search(r"sample_index += inuse_space", out)
    t.line("granularity=filef\t")
    out = plain(t.line("o"))
    yield "a choice is completed", re.search(r"granularity += filefunctions", out)
    t.line("granularity=functions")
    out = plain(t.line("top 50 growSl\t"))
    yield "a function by a part of its name", "focus=bytes.growSlice" in out
    out = plain(t.line("focus=Buffer).gr\t"))
    out = plain(t.line("o"))
    yield "a name is put in as a pattern", "focus                     = bytes.\\(\\*Buffer\\).grow" in out
    t.line(":")
    out = plain(t.line("help nodef\t"))
    yield "help is completed too, and explains", "leave out nodes" in out
    out = plain(t.line("focus=zzz\x03o"))
    yield "^C drops the line", re.search(r"focus += \"\"", out)
    t.type("t\t\t")
    listed = plain(t.until("text"))
    yield "what is ambiguous is listed", "tagfocus=" in listed or "tagfocus=" in plain(t.until("tagfocus="))
    t.type("\x15")
    if has_proto:
        out = plain(t.line("proto"))
        yield "bytes go to a file", "Generating report in profile001.pb.gz" in out and os.path.exists(folder + "/profile001.pb.gz")
    out = plain(t.line("quux"))
    yield "an error is said", "unrecognized command: \"quux\"" in out
    out = plain(t.line("top3 | head -n 1"))
    yield "a pipe takes the report", "Showing nodes" in out and "flat%" not in out
    out = plain(t.line("top3 | exit 3"))
    out = plain(t.line("top1"))
    yield "a program that does not read is no harm", "flat%" in out
    t.type("\0")  # what becomes of a ^D while the terminal changes its mode: no text
    yield "^D leaves with status 0", t.end("\x04") == 0


def label_cases(t):
    t.until(PROMPT)
    t.line("tagroot=ro\t")
    yield "a key of labels is completed", re.search(r"tagroot += route", plain(t.line("o")))
    t.line("tagfocus=rou\t")
    yield "and for a filter", re.search(r"tagfocus += route", plain(t.line("o")))
    t.line("tagfocus=route=li\t")
    yield "behind a key, its values are", re.search(r"tagfocus += route=/list\b", plain(t.line("o")))
    t.line("focus=nothing.like.it\t")
    yield "what fits nothing stays as it was typed", re.search(r"focus += nothing.like.it\s", plain(t.line("o")))
    yield "the shell of labels ends", t.end("\x04") == 0


def history_cases(command, folder):
    """Lines of one session in the next."""
    state = os.path.join(folder, "state")
    kept = os.path.join(state, "osprey", "pprof_history")
    t = Terminal(command, folder, XDG_STATE_HOME=state)
    t.until(PROMPT)
    t.line("top7")
    t.end("\x04")
    yield "lines are kept for the next session", t, os.path.exists(kept) and "top7\n" in open(kept).read()
    yield "for nobody else to read", t, os.stat(kept).st_mode & 0o777 == 0o600 and os.stat(os.path.dirname(kept)).st_mode & 0o777 == 0o700
    t = Terminal(command, folder, XDG_STATE_HOME=state)
    t.until(PROMPT)
    out = plain(t.line("\x1b[A\x1b[A"))
    yield "the arrow finds them there", t, "Showing top 7 nodes" in out
    t.end("\x04")
    with open(kept, "w") as f:
        f.write("".join(f"top{i}  //: {'x' * 60}\n" for i in range(6000)))
    t = Terminal(command, folder, XDG_STATE_HOME=state)
    t.until(PROMPT)
    t.end("\x04")
    with open(kept) as f:
        lines = f.read().splitlines()
    yield "a file that grew is cut to its newer half", t, 1000 < len(lines) < 3000 and lines[-1].startswith("top5999") and lines[0].startswith("top")
    os.remove(kept)
    os.symlink(os.path.join(folder, "elsewhere"), kept)
    t = Terminal(command, folder, XDG_STATE_HOME=state)
    out = t.until(PROMPT)
    out = plain(t.line("top2"))
    yield "no link is followed, and nothing is said", t, "Showing top 2" in out and not os.path.exists(folder + "/elsewhere") and "history" not in out
    t.end("\x04")
    t = Terminal(command, folder, HOME=os.path.join(folder, "no", "home"))
    out = t.until(PROMPT)
    out = plain(t.line("top2"))
    yield "a home that is not there is not made", t, "Showing top 2" in out and not os.path.exists(folder + "/no")
    t.end("\x04")


def main(osprey):
    n = failed = 0

    def tell(name, good, t):
        nonlocal n, failed
        n += 1
        failed += not good
        print(f"{'ok' if good else 'not ok'} {n} - {name}", flush=True)
        if not good:
            print("# " + repr(t.seen[-1500:]))

    with tempfile.TemporaryDirectory() as folder:
        command = [os.path.abspath(osprey), "pprof"]
        heap = [*command, os.path.join(DATA, "server.heap.pb.gz")]
        t = Terminal(heap, folder)
        usage = subprocess.run([osprey, "pprof", "-h"], capture_output=True, text=True).stdout
        for name, good in cases(t, folder, "-proto " in usage):
            tell(name, good, t)
        t = Terminal([*command, os.path.join(DATA, "server.cpu.labels.pb.gz")], folder)
        for name, good in label_cases(t):
            tell(name, good, t)
        for name, t, good in history_cases(heap, folder):
            tell(name, good, t)
    print(f"1..{n}")
    return failed > 0


sys.exit(main(*sys.argv[1:]))
