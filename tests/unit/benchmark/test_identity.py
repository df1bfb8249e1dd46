"""The hash of code changes with what runs, and with nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from plane_anomalib.benchmark import identity
from plane_anomalib.benchmark.identity import code_digest, plain_code
from plane_anomalib.core.registry import DATASETS, MODELS, RegistryEntry

SOURCE = '''"""Summary."""

import math  # for pi

def area(r):
    """Of a circle."""
    text = "# no comment"
    return math.pi * r ** 2  # square


class Empty:
    """Nothing but this."""
'''
DATA = DATASETS.entry("AnomalyShapeNet")


def test_comments_docstrings_and_blank_lines_do_not_count() -> None:
    other = (
        SOURCE.replace("Of a circle", "Of a disc").replace("  # square", "").replace("\n\n", "\n")
    )
    assert plain_code(other) == plain_code(SOURCE)
    assert '"# no comment"' in plain_code(SOURCE)
    for changed in ("** 2", '"# no'):
        assert plain_code(SOURCE.replace(changed, changed + "0")) != plain_code(SOURCE)


@pytest.mark.parametrize("room", ["benchmark", "cli", "backbones"])
def test_what_is_left_of_our_own_sources_is_the_same_program(room: str) -> None:
    package = Path(code_digest.__code__.co_filename).parents[1]
    for file in sorted((package / room).rglob("*.py")):
        source = file.read_text(encoding="utf-8")
        left, right = ast.parse(plain_code(source)), ast.parse(source)
        assert _shape(left) == _shape(right), file


def _shape(tree: ast.Module) -> list[str]:
    """The tree without strings and dots that stand alone."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [n for n in body if not _stands_alone(n)]  # type: ignore[attr-defined]
    return [ast.dump(node) for node in tree.body]


def _stands_alone(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and (value.value is ... or isinstance(value.value, str))


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "digested").mkdir()
    (tmp_path / "digested" / "__init__.py").write_text("")
    (tmp_path / "digested" / "parts.py").write_text("SIZE = 1\n")
    model = tmp_path / "digested" / "model.py"
    model.write_text("class Mine:\n    def fit(self):\n        from .parts import SIZE\n")
    return model


def test_a_plugins_own_modules_count_also_those_imported_late(plugin: Path) -> None:
    entry = RegistryEntry("Mine", "digested.model:Mine", "digested")
    before = code_digest(entry, DATA)
    (plugin.parent / "parts.py").write_text("SIZE = 1  # as ever\n")
    assert code_digest(entry, DATA) == before
    (plugin.parent / "unused.py").write_text("SIZE = 3\n")
    assert code_digest(entry, DATA) == before
    (plugin.parent / "parts.py").write_text("SIZE = 2\n")
    assert code_digest(entry, DATA) != before


def test_a_module_that_code_names_as_text_counts(plugin: Path) -> None:
    plugin.write_text('class Mine:\n    method = "digested.parts:SIZE"\n')
    entry = RegistryEntry("Mine", "digested.model:Mine", "digested")
    before = code_digest(entry, DATA)
    (plugin.parent / "parts.py").write_text("SIZE = 2\n")
    assert code_digest(entry, DATA) != before


def test_a_remembered_digest_is_taken_until_a_source_changes(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    entry = RegistryEntry("Mine", "digested.model:Mine", "digested")
    before = code_digest(entry, DATA, memory=memory)
    assert before == code_digest(entry, DATA)
    with monkeypatch.context() as patched:
        patched.setattr(identity, "_sources", lambda _: pytest.fail("it was not remembered"))
        assert code_digest(entry, DATA, memory=memory) == before
    (plugin.parent / "parts.py").write_text("SIZE = 1234\n")
    after = code_digest(entry, DATA, memory=memory)
    assert after == code_digest(entry, DATA) != before
    plugin.write_text("class Mine:\n    def fit(self):\n        from .more import SIZE\n")
    without = code_digest(entry, DATA, memory=memory)
    (plugin.parent / "more.py").write_text("SIZE = 3\n")
    assert code_digest(entry, DATA, memory=memory) == code_digest(entry, DATA) != without


def test_models_differ_and_are_told_from_each_other() -> None:
    digests = {code_digest(MODELS.entry(name), DATA) for name in MODELS.names}
    assert len(digests) >= 6


@pytest.mark.parametrize("name", MODELS.names)
def test_a_model_counts_and_the_others_do_not(name: str) -> None:
    found = set(identity._sources([MODELS.entry(name), DATA]))
    declared = {entry.name: entry.load_config() for entry in _built_in()}
    own = declared.pop(name)
    assert {own.__module__, own.method.partition(":")[0]} <= found
    # PLANE has TemplateResidual's parts, whose package leads to the others.
    if name != "Plane":
        assert not {each.__module__ for each in declared.values()} & found


def _built_in() -> list[RegistryEntry]:
    return [entry for entry in MODELS.entries.values() if entry.config]
