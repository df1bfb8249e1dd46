"""What a class's source says of it is found without running any of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.core.sources import ClassSummary, describe

PACKAGE = "pack_for_a_test"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose modules stop whoever imports them."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / PACKAGE
    (folder / "sub").mkdir(parents=True)
    for path in (folder, folder / "sub"):
        (path / "__init__.py").write_text("")
    return folder


def write(path: Path, text: str) -> None:
    path.write_text(f"{text}\nraise SystemExit('imported')\n")


def test_first_docstring_line_is_the_summary(package: Path) -> None:
    write(package / "here.py", 'class Found:\n    """Finds it.\n\n    More.\n    """\n')
    write(package / "silent.py", "class Found: ...\n")
    assert describe(f"{PACKAGE}.here:Found") == ClassSummary("Finds it.")
    assert describe(f"{PACKAGE}.silent:Found") == ClassSummary()
    assert PACKAGE not in sys.modules


def test_a_class_is_followed_to_where_it_is_written(package: Path) -> None:
    write(package / "sub" / "deep.py", 'class Original:\n    """Deep down."""\n')
    write(package / "sub" / "middle.py", "from .deep import Original as Renamed\n")
    write(package / "sub" / "__init__.py", "from .middle import Renamed\n")
    write(package / "__init__.py", f"from {PACKAGE}.sub import Renamed as Public\n")
    write(package / "above.py", "from .sub.middle import Renamed\n")
    assert describe(f"{PACKAGE}:Public") == ClassSummary("Deep down.")
    assert describe(f"{PACKAGE}.sub:Renamed") == ClassSummary("Deep down.")
    assert describe(f"{PACKAGE}.above:Renamed") == ClassSummary("Deep down.")


def test_what_only_running_would_show_is_no_problem(package: Path) -> None:
    write(package / "made.py", "Found = type('Found', (), {})\n")
    write(package / "lazy.py", "def __getattr__(name): ...\n")
    write(package / "star.py", f"from {PACKAGE}.made import *\n")
    write(package / "maybe.py", "try:\n    import no_such\nexcept ImportError:\n    Found = None\n")
    write(package / "circle.py", "from .round import Found\n")
    write(package / "round.py", "from .circle import Found\n")
    for module in ("made", "lazy", "star", "maybe", "circle"):
        assert describe(f"{PACKAGE}.{module}:Found") == ClassSummary()
    assert describe("math:sqrt") == ClassSummary()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("class Other: ...", f"the module {PACKAGE}.here has no Found"),
        ("class Found(:", "SyntaxError in here.py:1: invalid syntax"),
        ("import no_such.thing\nclass Found: ...", "there is no module no_such"),
        ("from no_such import thing\nclass Found: ...", "there is no module no_such"),
        ("from .gone import thing\nclass Found: ...", f"there is no module {PACKAGE}.gone"),
        ("from .wrong import thing\nclass Found: ...", "SyntaxError in wrong.py:1: "),
        ("from . import wrong\nclass Found: ...", "SyntaxError in wrong.py:1: "),
        (f"import {PACKAGE}.needy\nclass Found: ...", "there is no module no_such_either"),
    ],
)
def test_what_would_stop_an_import_is_told(package: Path, text: str, problem: str) -> None:
    write(package / "here.py", text)
    write(package / "wrong.py", "def (:")
    write(package / "needy.py", "import json\nimport no_such_either")
    found = describe(f"{PACKAGE}.here:Found")
    assert found.problem.startswith(problem)
    assert not found.summary


def test_a_module_that_is_not_there_is_told(package: Path) -> None:
    assert describe("no_such.thing:Found").problem == "there is no module no_such"
    assert describe(f"{PACKAGE}.thing:Found").problem == f"there is no module {PACKAGE}.thing"


@pytest.mark.slow
def test_built_in_classes_say_what_their_docstrings_say() -> None:
    for registry in (MODELS, DATASETS):
        for entry in registry.entries.values():
            first = (entry.load().__doc__ or "").splitlines()[0]
            assert describe(entry.target) == ClassSummary(first)
