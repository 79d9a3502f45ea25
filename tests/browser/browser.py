# SPDX-License-Identifier: Apache-2.0
"""A browser without a window, driven through the two pipes that Chromium offers for that; nothing has to be installed beside it."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


def find():
    """Its path, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)


class Browser:
    """One page. Errors of its scripts and addresses that it asks for are kept."""

    WAIT = 60  # seconds, for what a loaded machine does in one

    def __init__(self, width=1200, height=800):
        self.home = tempfile.mkdtemp(prefix="osprey-browser-")
        to_child, self.to = os.pipe()
        self.back, from_child = os.pipe()
        self.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 3<&%d 4>&%d' % (to_child, from_child), "sh", find(), "--headless=new", "--no-sandbox", "--disable-gpu",
             "--no-first-run", "--disable-extensions", "--remote-debugging-pipe", f"--user-data-dir={self.home}", "about:blank"],
            pass_fds=(to_child, from_child), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self.n, self.unread, self.session = 0, b"", None
        self.errors, self.asked, self.seen = [], [], []
        page = next(t for t in self.say("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.say("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.say(domain + ".enable")
        self.resize(width, height)

    def message(self):
        end = time.monotonic() + self.WAIT
        while b"\0" not in self.unread:
            if not select.select([self.back], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.back, 1 << 16)
            if not piece:
                raise EOFError("the browser has ended")
            self.unread += piece
        one, self.unread = self.unread.split(b"\0", 1)
        return json.loads(one)

    def note(self, m):
        what, p = m.get("method"), m.get("params", {})
        if what == "Runtime.exceptionThrown":
            self.errors.append(p["exceptionDetails"].get("exception", {}).get("description") or p["exceptionDetails"]["text"])
        elif what == "Network.requestWillBeSent":
            self.asked.append(p["request"]["url"])
        elif what:
            self.seen.append(what)

    def say(self, method, **params):
        self.n += 1
        text = {"id": self.n, "method": method, "params": params, **({"sessionId": self.session} if self.session else {})}
        os.write(self.to, json.dumps(text).encode() + b"\0")
        while True:
            m = self.message()
            if m.get("id") == self.n:
                if "error" in m:
                    raise RuntimeError(f"{method}: {m['error']['message']}")
                return m["result"]
            self.note(m)

    def resize(self, width, height):
        self.say("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, path):
        self.seen.clear()
        self.say("Page.navigate", url="file://" + os.path.abspath(path))
        while "Page.loadEventFired" not in self.seen:
            self.note(self.message())

    def media(self, **features):
        """prefers_color_scheme="dark" …"""
        self.say("Emulation.setEmulatedMedia", features=[{"name": k.replace("_", "-"), "value": v} for k, v in features.items()])

    def value(self, script):
        """What an expression of the page comes to."""
        done = self.say("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"]["exception"]["description"])
        return done["result"].get("value")

    def until(self, script):
        """Wait for an expression to be true."""
        end = time.monotonic() + self.WAIT
        while not self.value(script):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def key(self, key):
        code = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}.get(key, ord(key[0].upper()) if key.isalnum() else 0)
        text = {"text": key} if len(key) == 1 else {}
        self.say("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.say("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def type(self, text):
        for c in text:
            self.key(c)

    def move(self, x, y):
        self.say("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, x, y):
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.say("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.say("Page.captureScreenshot")["data"]))

    def close(self):
        os.close(self.to)
        os.close(self.back)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)
