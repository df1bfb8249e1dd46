"""What is written for those who carry on says what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from plane_anomalib.core.version import __version__
from tests.support.documents import PAGES, ROOT

PACKAGE = ROOT / "plane_anomalib"
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
ARCHITECTURE = ROOT / "docs/architecture.md"
REGISTRY = PACKAGE / "core/registry.py"
ENTRY_POINT_GROUPS = {
    f"plane_anomalib.{kind}" for kind in ("models", "datasets", "methods", "settings")
}
#: What stands for a reader's own package.
MADE_UP = re.compile(r"foo|model_name|my_package")


def test_every_room_has_its_line() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == ROOMS


def test_the_reference_has_a_page_for_every_room_but_the_commands() -> None:
    (pages,) = [
        group["Reference"]
        for group in yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
        if "Reference" in group
    ]
    names = {Path(place).stem for page in pages for place in page.values()}
    assert names - {"api"} == {"plane_anomalib", *(f"plane_anomalib.{r}" for r in ROOMS - {"cli"})}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_and_modules_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = set(re.findall(r"[\w/*]*\w\.py\b|plane_anomalib/\w[\w/]*(?:\.\w+)?", text))
    names = set(re.findall(r"plane_anomalib(?:\.\w+)+", text)) - ENTRY_POINT_GROUPS - files
    missing = [
        *(name for name in files if not any([*ROOT.glob(name), *PACKAGE.rglob(name)])),
        *(name for name in names if not is_there(name)),
    ]
    assert [name for name in missing if not MADE_UP.search(name)] == []


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or stands in the module before it."""
    place, parts = PACKAGE, name.split(".")[1:]
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if parts and (place / f"{parts[0]}.py").is_file():
        place /= f"{parts.pop(0)}.py"
    code = place if place.is_file() else place / "__init__.py"
    texts = [code.read_text(encoding="utf-8"), REGISTRY.read_text(encoding="utf-8")]
    return not parts or any(re.search(rf"\b{parts[0]}\b", text) for text in texts)


def test_one_version_everywhere() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] == __version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__


def test_what_others_read_is_yaml() -> None:
    files = [*ROOT.glob(".github/**/*.yml"), ROOT / ".pre-commit-config.yaml", ROOT / "mkdocs.yml"]
    assert len(files) > 4
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict), file
