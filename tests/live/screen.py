# SPDX-License-Identifier: Apache-2.0
"""A terminal for tests: runs a program on a pty and keeps the screen that it draws. Knows the sequences that osprey sends
(CUP, ED, EL, SGR, the alternate screen) and complains of any other."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

SEQUENCE = re.compile(rb"\x1b\[([?>]?)([0-9;]*)([@-~])")


class Screen:
    def __init__(self, words, columns=80, rows=24, env=None):
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.looks = [[""] * columns for _ in range(rows)]
        self.look = ""
        self.x = self.y = 0
        self.alternate = self.cursor_hidden = False
        self.unknown, self.sent, self.pending = [], 0, b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"})
            os.environ.update(env or {})
            for name in [n for n, v in os.environ.items() if v == ""]:
                del os.environ[name]
            for number in (signal.SIGINT, signal.SIGQUIT):  # a shell has its background jobs ignore them
                signal.signal(number, signal.SIG_DFL)
            os.execv(words[0], [str(w) for w in words])
        self.before = termios.tcgetattr(self.fd)
        self.resize(columns, rows, tell=False)

    def resize(self, columns, rows, tell=True):
        self.columns, self.rows = columns, rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.looks = [[""] * columns for _ in range(rows)]
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            os.kill(self.pid, signal.SIGWINCH)

    def _sequence(self, kind, numbers, final):
        n = [int(v) if v else 0 for v in numbers.decode().split(";")]
        if final == b"H":
            self.y = min(max(n[0], 1), self.rows) - 1
            self.x = min(max(n[1] if len(n) > 1 else 1, 1), self.columns) - 1
        elif final == b"J" and n[0] == 2:
            self.cells = [[" "] * self.columns for _ in range(self.rows)]
            self.looks = [[""] * self.columns for _ in range(self.rows)]
        elif final == b"K" and n[0] == 0:
            for x in range(self.x, self.columns):
                self.cells[self.y][x], self.looks[self.y][x] = " ", ""
        elif final == b"m":
            self.look = numbers.decode()
        elif kind == b"?" and n[0] == 1049:
            self.alternate = final == b"h"
        elif kind == b"?" and n[0] == 25:
            self.cursor_hidden = final == b"l"
        elif not (kind == b"?" and n[0] == 7):
            self.unknown.append((kind, numbers, final))

    def _feed(self, data):
        data = self.pending + data
        self.pending = b""
        at = 0
        while at < len(data):
            c = data[at:at + 1]
            if c == b"\x1b":
                m = SEQUENCE.match(data, at)
                if not m:
                    self.pending = data[at:]
                    return
                self._sequence(*m.groups())
                at = m.end()
            elif c == b"\r":
                self.x, at = 0, at + 1
            elif c == b"\n":
                self.y, at = min(self.y + 1, self.rows - 1), at + 1
            else:
                size = 1 if c[0] < 0x80 else 2 if c[0] < 0xe0 else 3 if c[0] < 0xf0 else 4
                if at + size > len(data):
                    self.pending = data[at:]
                    return
                if self.x < self.columns and self.y < self.rows:
                    self.cells[self.y][self.x] = data[at:at + size].decode(errors="replace")
                    self.looks[self.y][self.x] = self.look
                self.x, at = min(self.x + 1, self.columns), at + size

    def read(self, seconds):
        """What comes in that time. False once the program has closed the terminal."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                return True
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.sent += len(data)
            self._feed(data)
        return True

    def wait(self, what, seconds=20):
        """Read until what(text) holds; whether it did."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if what(self.text()):
                return True
            if not self.read(0.05):
                return what(self.text())
        return False

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def marked(self):
        """The text of the line that is shown in reverse."""
        for cells, looks in zip(self.cells, self.looks):
            if any("7" in look.split(";") for look in looks):
                return "".join(cells).rstrip()
        return ""

    def end(self, seconds=20):
        """Wait for the program to end: its exit status, or minus the signal; None if it does not."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.read(0.1)
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        return None

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
