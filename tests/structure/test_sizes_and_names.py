"""Rule 3 of the house, and its names: few modules, none long, nouns, one meaning each."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.structure import Structure, read_structure

CHECKOUT = Path(__file__).resolve().parents[2]
MODULES, LINES, FUNCTION_LINES = 260, 400, 40
SMALL, SMALL_WITH_ONE_IMPORTER = 60, 15
#: Words in -ing that name a thing of the field, not what somebody is doing.
NOUNS = {"lightning", "pretraining", "processing", "sampling", "serving", "training"}
#: What a stranger would look for under another name.
WORDS_THAT_TELL_NOTHING = {
    "common", "create", "helpers", "load", "misc", "official", "optimise", "quiet",
    "shown", "supervise", "utils", "verify", "wishes", "words",
}  # fmt: skip


@pytest.fixture(scope="module")
def house() -> Structure:
    return read_structure(CHECKOUT)


def test_modules_are_few() -> None:
    assert len([*(CHECKOUT / "plane_anomalib").rglob("*.py")]) <= MODULES


def test_no_file_is_long(house: Structure) -> None:
    lengths = {module.name: module.lines for module in house.modules.values()}
    for path in (CHECKOUT / "tests").rglob("*.py"):
        lengths[str(path.relative_to(CHECKOUT))] = len(path.read_text("utf-8").splitlines())
    assert {name: lines for name, lines in lengths.items() if lines > LINES} == {}


def test_no_function_is_long(house: Structure) -> None:
    assert house.long_functions(FUNCTION_LINES) == []


@pytest.mark.slow
def test_a_helper_with_one_importer_lives_in_it(house: Structure) -> None:
    found = house.single_importer(below=SMALL)
    assert len(found) <= SMALL_WITH_ONE_IMPORTER, found


def test_no_class_name_means_two_things(house: Structure) -> None:
    assert house.duplicates == {}


def test_no_module_imports_itself_in_the_end(house: Structure) -> None:
    assert house.circles == []


def test_a_module_is_a_noun(house: Structure) -> None:
    names = {name: name.rpartition(".")[2].rpartition("_")[2] for name in house.modules}
    verbs = [name for name, word in names.items() if word.endswith("ing") and word not in NOUNS]
    empty = [name for name, word in names.items() if word in WORDS_THAT_TELL_NOTHING]
    assert (verbs, empty) == ([], [])


def test_names_of_test_files_are_unique() -> None:
    names = [path.name for path in (CHECKOUT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
