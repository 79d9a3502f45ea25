#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where profiles come from: go tool pprof and osprey pprof fetch the same profiles from the same server on this machine;
what they print, say and save must be equal. Then servers that mean harm, asked by osprey alone: one line, soon.

    pprof_fetch.py OSPREY

TAP on stdout. Without Go, only what osprey alone is asked.
"""
import gzip
import http.server
import os
import re
import shutil
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import peer
from tap import Tap

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(os.path.dirname(HERE), "data", "go-profiles")


def data(name):
    with open(os.path.join(DATA, name), "rb") as f:
        return f.read()


PAGES = {
    "/debug/pprof/profile": "encoding.json.cpu.pb.gz",
    "/debug/pprof/heap": "server.heap.pb.gz",
    "/debug/pprof/goroutine": "server.goroutine.pb.gz",
    "/debug/pprof/mutex": "net.http.mutex.pb.gz",
    "/a b/c": "server.goroutine.pb.gz",
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Profiles, and all that can go wrong."""

    def log_message(self, *_):
        pass

    def send(self, status, body, **headers):
        self.send_response(status)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def forever(self, block, pause=0.0):
        self.send_response(200)
        self.end_headers()
        while not self.server.stop:
            self.wfile.write(block)
            time.sleep(pause)

    def do_POST(self):
        self.server.asked.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if self.server.symbols is None:
            self.send(501, b"no names")
        else:
            self.send(200, self.server.symbols.encode())

    def do_GET(self):
        self.server.asked.append((self.path, ""))
        path = self.path.partition("?")[0].replace("%20", " ")
        try:
            if path in self.server.pages:
                self.send(200, self.server.pages[path])
            elif path in PAGES:
                self.send(200, data(PAGES[path]))
            elif path == "/moved":
                self.send(302, b"", Location="/debug/pprof/heap")
            elif path == "/away":
                self.send(302, b"", Location="file:///etc/passwd")
            elif path == "/round":
                self.send(302, b"", Location="/round")
            elif path == "/busy":
                self.send(500, b"Could not enable CPU profiling: cpu profiling already in use\n", X_Go_Pprof="1",
                          Content_Type="text/plain; charset=utf-8")
            elif path == "/zipped":
                self.send(200, gzip.compress(data("server.goroutine.pb.gz")), Content_Encoding="gzip")
            elif path == "/page":
                self.send(200, b"<html><body>Welcome</body></html>", Content_Type="text/html")
            elif path == "/empty":
                self.send(200, b"")
            elif path == "/short":
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
                self.wfile.write(data("server.goroutine.pb.gz"))
            elif path == "/silent":
                while not self.server.stop:
                    time.sleep(0.05)
            elif path == "/drip":
                self.forever(b"\x1f\x8b", 0.05)
            elif path == "/zeros":
                self.forever(bytes(1 << 16))
            elif path == "/flood":
                self.forever(data("server.heap.pb.gz"))
            elif path == "/headers":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not self.server.stop:
                    self.wfile.write(b"X-More: and more\r\n" * 1000)
            else:
                self.send(404, b"not here")
        except OSError:
            pass # the client has had enough


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.stop, self.asked, self.pages, self.symbols = False, [], {}, ""
        self.port = self.server_address[1]

    def start(self):
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self


def peer_of(root):
    """The peer, or None and why not. Before 1.24 it had other rules."""
    command, why = peer.find(24)
    return Tool(command, root, "peer") if command else None, why


class Tool:
    """A pprof, in a home of its own."""

    def __init__(self, command, root, name):
        self.command, self.home = command, os.path.join(root, name)
        os.makedirs(self.home)

    def run(self, *args, seconds=60, stdin=subprocess.DEVNULL, **more):
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        env.update(TZ="UTC", HOME=self.home, **more)
        for gone in ("PPROF_TMPDIR", "PPROF_BINARY_PATH", "XDG_CONFIG_HOME"):
            if gone not in more:
                env.pop(gone, None)
        done = subprocess.run([*self.command, *args], env=env, capture_output=True, timeout=seconds, stdin=stdin)
        said = done.stderr.decode(errors="replace").replace(self.home, "~")
        said = re.sub(r"^(osprey )?pprof: ", "", said, flags=re.MULTILINE)
        return done.returncode, done.stdout.decode(errors="replace"), said

    def saved(self):
        folder = os.path.join(self.home, "pprof")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def alike(tap, peer, osprey, server):
    here = f"localhost:{server.port}"
    file = os.path.join(DATA, "server.heap.pb.gz")
    questions = [
        [here],
        [f"http://{here}/"],
        [f"http://{here}/debug/pprof/heap?gc=1&x=a+b&x=%41&debug"],
        [f"{here}/debug/pprof/goroutine"],
        ["-seconds=1", f"http://{here}/debug/pprof/profile?seconds=30"],
        ["-seconds", "75", "-timeout", "90", here],
        [f"http://{here}/a b/c"],
        [f"http://{here}/moved"],
        [f"http://{here}/zipped"],
        [f"http://{here}/nothing"],
        [f"http://{here}/busy"],
        [f"http://{here}/debug/pprof/heap", f"http://{here}/debug/pprof/heap?2", file],
        [f"http://{here}/debug/pprof/heap", f"http://{here}/nothing", "nothing/there.pb.gz"],
        ["-base", f"http://{here}/debug/pprof/heap", file],
        ["-diff_base", file, f"http://{here}/debug/pprof/heap"],
        ["-normalize", "-diff_base", file, f"http://{here}/debug/pprof/heap"],
        ["-base", f"http://{here}/nothing", file],
        ["-base", f"http://{here}/debug/pprof/goroutine", file],
        ["-add_comment=from there", "-buildid=abc", f"{here}/debug/pprof/mutex"],
        ["-symbolize=remote", f"{here}/debug/pprof/mutex"],
        ["-symbolize=odd", f"{here}/debug/pprof/mutex"],
        ["nothing/there.pb.gz"],
        ["nothing:there/at-all", "."],
    ]
    for q in questions:
        theirs, ours = peer.run("-top", *q), osprey.run("-top", *q)
        name = " ".join(w.replace(here, "HERE").replace(DATA, "") for w in q)
        # What the peer says of several sources comes in the order in which they come.
        same = theirs[:2] == ours[:2] and sorted(theirs[2].splitlines()) == sorted(ours[2].splitlines())
        tap.case(name, same, "peer:", *theirs, "osprey:", *ours)
    tap.case("the same files were saved", peer.saved() == osprey.saved() and peer.saved(), peer.saved(), osprey.saved())
    for name in peer.saved():
        one, two = (peer.run("-raw", os.path.join(t.home, "pprof", name)) for t in (peer, osprey))
        differ = [pair for pair in zip(one[1].splitlines(), two[1].splitlines()) if pair[0] != pair[1]]
        tap.case(f"and hold the same: {name}", one[:2] == two[:2], *differ[:5])


def refused(tap, tool, name, want, *args, seconds=20, **more):
    """osprey answers with status 2, without a report, and says want in a line, in time."""
    try:
        status, out, said = tool.run("-top", *args, seconds=seconds, **more)
    except subprocess.TimeoutExpired:
        tap.case(name, False, f"no end after {seconds} s")
        return
    lines = [line for line in said.splitlines() if re.search(want, line)]
    tap.case(name, status == 2 and not out and len(lines) == 1, status, out, said)


def hostile(tap, osprey, server):
    at = f"http://localhost:{server.port}"
    small = {"OSPREY_MEMORY": "64M"}
    refused(tap, osprey, "redirects without an end", "stopped after 10 redirects", f"{at}/round")
    refused(tap, osprey, "a redirect to a file", "only http and https", f"{at}/away")
    refused(tap, osprey, "a web page is no profile", "unrecognized profile format", f"{at}/page")
    refused(tap, osprey, "nothing at all", "empty input file", f"{at}/empty")
    refused(tap, osprey, "cut short", "/short: ", f"{at}/short")
    refused(tap, osprey, "a server that says nothing", "no complete answer within 6 s", "-timeout=1", f"{at}/silent")
    refused(tap, osprey, "a server that never ends", "no complete answer within 6 s", "-timeout=1", f"{at}/drip")
    refused(tap, osprey, "zeros without an end", "nothing but zeros", f"{at}/zeros")
    refused(tap, osprey, "more than fits", "larger than the limit of 67108864 bytes", f"{at}/flood", **small)
    refused(tap, osprey, "headers without an end", "bytes of headers", f"{at}/headers")
    refused(tap, osprey, "nobody there", "onnect: [Cc]onnection refused", "http://localhost:1/debug/pprof/heap")
    refused(tap, osprey, "another protocol", "unsupported protocol scheme \"ftp\"", "ftp://localhost/x")
    refused(tap, osprey, "a device", "is a device", "/dev/zero")
    refused(tap, osprey, "a directory", "is a directory", HERE)
    refused(tap, osprey, "a size that is none", "OSPREY_MEMORY=lots", os.path.join(DATA, "server.heap.pb.gz"),
            OSPREY_MEMORY="lots")
    with tempfile.NamedTemporaryFile(suffix=".gz") as bomb:
        bomb.write(gzip.compress(bytes.fromhex("0a0408011002 3200 3280808064") + bytes(200 << 20), 9))
        bomb.flush()
        refused(tap, osprey, "a bomb within a limit", "limit|out of memory", bomb.name, **small)


def pipes(tap, osprey):
    file = os.path.join(DATA, "server.heap.pb.gz")
    want = osprey.run("-top", file)
    with open(file, "rb") as f:
        tap.case("a profile from standard input", osprey.run("-top", "-", stdin=f) == want)
    with open(file, "rb") as f:
        tap.case("by the name /dev/stdin", osprey.run("-top", "/dev/stdin", stdin=f) == want)
    r, w = os.pipe()
    threading.Thread(target=lambda: (os.write(w, data("server.heap.pb.gz")), os.close(w)), daemon=True).start()
    tap.case("from a pipe", osprey.run("-top", "-", stdin=r) == want)
    os.close(r)
    zeros = subprocess.Popen(["cat", "/dev/zero"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    status, out, said = osprey.run("-top", "-", stdin=zeros.stdout)
    zeros.stdout.close()
    zeros.wait()
    tap.case("zeros from a pipe", status == 2 and not out and "zeros" in said, status, out, said)


def certificates(tap, osprey, server, root):
    key, cert = os.path.join(root, "key.pem"), os.path.join(root, "cert.pem")
    made = shutil.which("openssl") and subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], capture_output=True, check=False).returncode == 0
    if not made:
        tap.skip("https", "no openssl here to make a certificate")
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    safe = Server()
    safe.socket = context.wrap_socket(safe.socket, server_side=True)
    safe.start()
    at = f"localhost:{safe.port}/debug/pprof/mutex"
    want = osprey.run("-top", f"http://localhost:{server.port}/debug/pprof/mutex")[1]
    got = osprey.run("-top", f"-tls_ca={cert}", f"https://{at}")
    tap.case("https, by an authority of ours", got[:2] == (0, want), *got)
    got = osprey.run("-top", f"https+insecure://{at}")
    tap.case("https, unseen", got[:2] == (0, want) and f"HTTP from https+insecure://{at}" in got[2], *got)
    refused(tap, osprey, "https, by nobody", "certificate", f"https://{at}")
    refused(tap, osprey, "a key without a certificate", "-tls_cert must also be specified", f"-tls_key={key}", f"https://{at}")
    refused(tap, osprey, "an authority that is not there", "could not load CA", "-tls_ca=/nothing/here", f"https://{at}")
    safe.stop = True
    safe.shutdown()


def main(words):
    tap = Tap()
    server = Server().start()
    with tempfile.TemporaryDirectory() as root:
        osprey = Tool([os.path.abspath(words[0]), "pprof"], root, "osprey")
        other, why = peer_of(root)
        if other:
            alike(tap, other, osprey, server)
        else:
            tap.skip("the same as go tool pprof", why)
        pipes(tap, osprey)
        if "libcurl" in osprey.run("-top", f"localhost:{server.port}")[2]:
            tap.skip("servers that mean harm", "no libcurl here")
        else:
            hostile(tap, osprey, server)
            certificates(tap, osprey, server, root)
    server.stop = True
    server.shutdown()
    return tap.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
