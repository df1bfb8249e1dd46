"""Pages of one file: a template, its styles and its scripts put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources


def filled(
    template: str, parts: Mapping[str, str], *, styles: Sequence[str], scripts: Sequence[str]
) -> str:
    """Fill a template of `web/`, whose places are written `@@NAME@@`.

    Args:
        template: Name of the file.
        parts: What goes where, as markup: text must have been escaped.
        styles: Files for `@@STYLE@@`, in order.
        scripts: Files for `@@SCRIPT@@`, in order.
    """
    folder = resources.files("plane_anomalib.web") / "web"

    def joined(names: Sequence[str]) -> str:
        return "\n".join((folder / name).read_text("utf-8") for name in names)

    every = {**parts, "STYLE": joined(styles), "SCRIPT": joined(scripts)}
    pieces = (folder / template).read_text("utf-8").split("@@")
    # Odd pieces are the names between the marks; text put in is never searched for marks.
    return "".join(every[piece] if i % 2 else piece for i, piece in enumerate(pieces))
