"""Where the tables of the benchmarks go."""

from __future__ import annotations

from pathlib import Path

from plane_anomalib.core.files import replaced


def write_or_print(text: str, out: Path | None) -> None:
    """Write a text into a file, whole or not at all, or print it where none is named."""
    if out is None:
        print(text)
        return
    with replaced(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
