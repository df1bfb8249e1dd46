"""The pages of the reference site: the repository's, what they lead to, and one page a room.

A hook of MkDocs. Pages keep their places below the repository's root, so that links between them
lead where they lead in the repository.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\]\(([^)#:\s]+)")


def on_config(config: Any) -> Any:
    """Bring the pages together where `docs_dir` says.

    Args:
        config: MkDocs' configuration.
    """
    pages = Path(config.docs_dir)
    shutil.rmtree(pages, ignore_errors=True)
    for path in _reached([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]):
        target = pages / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (pages / "docs/reference").mkdir(parents=True)
    for title, place in _references(config.nav):
        room = Path(place).stem
        options = "" if "." in room else "\n    options:\n      show_submodules: false"
        text = f"# {title}\n\n::: {room}{options}\n"
        (pages / place).write_text(text, encoding="utf-8")
    return config


def _reached(starts: list[Path]) -> list[Path]:
    """Files below the root that these pages lead to, by one link or more."""
    found: dict[Path, None] = {}
    waiting = list(starts)
    while waiting:
        page = waiting.pop().resolve()
        if page in found or not page.is_file() or ROOT not in page.parents:
            continue
        found[page] = None
        if page.suffix == ".md":
            links = _LINK.findall(page.read_text(encoding="utf-8"))
            waiting += [page.parent / link for link in links]
    return list(found)


def _references(nav: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Title and place of the pages that are made from docstrings."""
    (pages,) = [group["Reference"] for group in nav if "Reference" in group]
    return [pair for page in pages for pair in page.items()]
