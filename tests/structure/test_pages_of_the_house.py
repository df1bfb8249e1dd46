"""What is written for those who carry on says what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from plane_anomalib.core.version import __version__

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plane_anomalib"
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
ARCHITECTURE = ROOT / "docs/architecture.md"


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


@pytest.mark.parametrize("page", [ARCHITECTURE, ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"[\w*]+(?:/[\w*]+)+(?:\.py)?|\w+\.py", text)
    missing = [
        name
        for name in named
        if "foo" not in name and (name.endswith(".py") or name.startswith("plane_anomalib/"))
        if not any([*ROOT.glob(name), *PACKAGE.glob(name), *PACKAGE.rglob(name)])
    ]
    assert missing == []


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
