"""A judged cloud's page in headless Chromium: opened, waited for, pressed, dragged and read."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np

from tests.support.browser import Page


def still(page: Page) -> None:
    """Flights would only cost time here."""
    motion = {"name": "prefers-reduced-motion", "value": "reduce"}
    page.call("Emulation.setEmulatedMedia", features=[motion])


def opened(tab: Page, file: Path, width: int = 1280, height: int = 820) -> Page:
    tab.open(file, width, height)
    tab.wait_for("inspection.viewer.layout && document.getElementById('threshold').max === '1000'")
    settle(tab)
    return tab


def settle(page: Page) -> None:
    """Wait until what was asked for is drawn."""
    frames = "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0)))"
    page.evaluate(f"new Promise((done) => {frames})")
    page.wait_for("inspection.viewer.pending === 0 && !inspection.viewer.flight")


def press(page: Page, selector: str) -> None:
    page.evaluate(f"document.querySelector({selector!r}).click()")
    settle(page)


def mouse(page: Page, *places: tuple[float, float]) -> None:
    """Press the button at the first place, move along, and let go at the last."""

    def send(kind: str, at: tuple[float, float], buttons: int) -> None:
        page.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=at[0],
            y=at[1],
            button="left",
            buttons=buttons,
            clickCount=1,
        )

    send("mousePressed", places[0], 1)
    for place in places[1:]:
        send("mouseMoved", place, 1)
    send("mouseReleased", places[-1], 0)
    settle(page)


def box_of(page: Page, canvas: str) -> tuple[float, float, float, float]:
    """Left, top, width and height on the screen."""
    box = page.evaluate(
        f"((b) => [b.left, b.top, b.width, b.height])"
        f"(document.getElementById({canvas!r}).getBoundingClientRect())"
    )
    return tuple(box)


def picture(page: Page, canvas: str) -> np.ndarray:
    """What is drawn on a canvas, `(height, width, 4)`."""
    data = page.evaluate(
        f"(() => {{ const c = document.getElementById({canvas!r}); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data;"
        "let text = ''; for (const v of d) text += String.fromCharCode(v);"
        "return [c.height, c.width, btoa(text)]; })()"
    )
    flat = np.frombuffer(base64.b64decode(data[2]), np.uint8)
    return flat.reshape(data[0], data[1], 4).astype(int)


def rotation(page: Page, viewer: str = "inspection.viewer") -> np.ndarray:
    return np.array(page.evaluate(f"[...{viewer}.rotation]"))
