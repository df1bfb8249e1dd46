"""A page in headless Chromium, driven by the DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_PATIENCE = 60.0
CONTRAST = """
(() => {
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour, under) => {
    paint.fillStyle = `rgb(${under.join(" ")})`;
    paint.fillRect(0, 0, 1, 1);
    paint.fillStyle = colour;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (c) => c.map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    return rgb(getComputedStyle(element).backgroundColor, behind(element.parentElement));
  };
  const texts = document.querySelectorAll("td, th, p, figcaption, li, dt, dd, h2, label");
  return Math.min(...[...texts].map((cell) => {
    const ground = behind(cell), [a, b] = [light(rgb(getComputedStyle(cell).color, ground)),
      light(ground)];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }));
})()
"""
"""The lowest contrast (WCAG) of any text to what lies behind it."""


class Page:
    """The one tab of a browser.

    Attributes:
        errors: What the page's console said of errors, and exceptions nobody caught.
    """

    def __init__(self, address: str) -> None:
        self.errors: list[str] = []
        self._socket = websocket.create_connection(address, timeout=_PATIENCE, suppress_origin=True)
        self._number = 0
        self._events: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def open(self, file: Path, width: int = 1280, height: int = 900) -> None:
        """Load a file and wait until it is there."""
        self.errors.clear()
        self._events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Page.navigate", url=file.resolve().as_uri())
        end = time.monotonic() + _PATIENCE
        while "Page.loadEventFired" not in self._events:
            assert time.monotonic() < end, f"{file} was not loaded within {_PATIENCE} s."
            self._receive()

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + _PATIENCE
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"Not true within {_PATIENCE} s: {expression}"
            time.sleep(0.05)

    def prefer(self, scheme: str) -> None:
        """Ask for "light" or "dark"."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, file: Path | None = None, *, whole: bool = False) -> bytes:
        """A picture of what is seen, or of the whole page, as PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        data = base64.b64decode(answer["data"])
        if file is not None:
            file.write_bytes(data)
        return data

    def close(self) -> None:
        """Leave the tab."""
        self._socket.close()

    def _receive(self) -> dict[str, Any]:
        message = json.loads(self._socket.recv())
        method, found = message.get("method"), message.get("params", {})
        if method is None:
            return message
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            details = found["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.errors.append(found["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and found["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(each.get("value")) for each in found["args"]))
        elif method == "Network.requestWillBeSent":
            address = found["request"]["url"]
            if not address.startswith(("file:", "data:")):
                self.errors.append(f"The page asked for {address}.")
        return message

    def drag(self, *places: tuple[float, float]) -> None:
        """Press the button at the first place, move along, and let go at the last."""
        kinds = ["mousePressed", *["mouseMoved"] * (len(places) - 1), "mouseReleased"]
        for kind, (x, y) in zip(kinds, [*places, places[-1]], strict=True):
            held = int(kind != "mouseReleased")
            self.call(
                "Input.dispatchMouseEvent",
                type=kind, x=x, y=y, button="left", buttons=held, clickCount=1,
            )  # fmt: skip


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own; end it afterwards.

    Args:
        folder: Where its profile goes.
    """
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.fail(
            "Chromium is needed to look at pages and is not installed: apt-get install chromium. "
            'To leave these tests out: pytest -m "not browser".'
        )
    command = [
        program,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-extensions",
        "--disable-background-networking",
        "--no-first-run",
        "--hide-scrollbars",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
    ]
    log = (folder / "log.txt").open("w+")
    with log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            page = Page(_tab(folder, process))
            try:
                yield page
            finally:
                page.close()
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _tab(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """The address of the first tab, which Chromium writes into its profile's folder."""
    import urllib.request

    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            port = (folder / "DevToolsActivePort").read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = json.load(answer)
            return next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        except (OSError, IndexError, StopIteration):
            time.sleep(0.05)
    log = (folder / "log.txt").read_text(errors="replace")[-2000:]
    pytest.fail(f"Chromium did not start:\n{log}")
