"""What the documentation tells people to type, and a way to type it without waiting for imports."""

from __future__ import annotations

import multiprocessing
import os
import re
import shlex
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "plane_anomalib").glob("*/*/README.md")),
    ROOT / "plane_anomalib/assets/builtin.md",
)
PROGRAMS = ("anomalib", "plane-anomalib", "make", "pip", "python")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    text: str


def blocks() -> list[Block]:
    """Every fenced block of every page."""
    return [
        Block(page.relative_to(ROOT).as_posix(), match[1], match[2])
        for page in PAGES
        for match in _FENCE.finditer(page.read_text(encoding="utf-8"))
    ]


def commands() -> list[tuple[str, str]]:
    """Command of every line of the blocks without a language, and the first page that has it."""
    found: dict[str, str] = {}
    for block in blocks():
        lines = [] if block.language else block.text.replace("\\\n", " ").splitlines()
        for line in lines:
            if words := shlex.split(line, comments=True):
                found.setdefault(shlex.join(words), block.page)
    return [(page, command) for command, page in found.items()]


def inline_commands() -> list[tuple[str, str]]:
    """Page and command of what stands between backticks in running text."""
    found = []
    for page in PAGES:
        text = _FENCE.sub("", page.read_text(encoding="utf-8"))
        for match in _INLINE.finditer(text):
            words = " ".join(match[1].split())
            if words.startswith(("anomalib ", "plane-anomalib ", "make ", "pip ")):
                found.append((page.relative_to(ROOT).as_posix(), words))
    return list(dict.fromkeys(found))


def run_forked(
    function: Callable[[], object], folder: Path, variables: Mapping[str, str], seconds: float
) -> tuple[int, str]:
    """Call a function in a copy of this process, with its folder, environment and output.

    Args:
        function: What to call; its `SystemExit` is the exit code.
        folder: The copy's working directory.
        variables: Added to its environment.
        seconds: How long it may take.

    Returns:
        Exit code and everything that was printed.
    """
    output = folder / ".output"
    process = multiprocessing.get_context("fork").Process(
        target=_in_copy, args=(function, folder, dict(variables), output)
    )
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
    code = process.exitcode
    return -9 if code is None else code, output.read_text(encoding="utf-8", errors="replace")


def command_line(words: Sequence[str]) -> Callable[[], object]:
    """What `anomalib` and `plane-anomalib` call, with what was typed after them."""

    def call() -> None:
        from plane_anomalib.cli import main

        sys.argv = ["plane-anomalib", *words]
        main()

    return call


def _in_copy(
    function: Callable[[], object], folder: Path, variables: Mapping[str, str], output: Path
) -> None:
    os.chdir(folder)
    os.environ.update(variables)
    with output.open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    code = 0
    try:
        function()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        if isinstance(stop.code, str):
            sys.stderr.write(stop.code)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
