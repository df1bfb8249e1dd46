"""Rule 3 of the house, and its names: few modules, none long, nouns, one meaning each."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.structure import Structure, read_structure

CHECKOUT = Path(__file__).resolve().parents[2]
MODULES, LINES, FUNCTION_LINES = 260, 400, 40
SMALL, SMALL_WITH_ONE_IMPORTER = 60, 15
#: Words in -ing that name a thing of the field, not what somebody is doing.
NOUNS = {"lightning", "pretraining", "sampling", "serving", "smoothing", "training", "wording"}
#: What a stranger would look for under another name.
WORDS_THAT_TELL_NOTHING = {
    "common", "create", "helpers", "load", "misc", "official", "optimise", "pretrain", "quiet",
    "shown", "supervise", "utils", "verify", "wishes", "words",
}  # fmt: skip


@pytest.fixture(scope="module")
def house() -> Structure:
    return read_structure(CHECKOUT)


def test_a_helper_with_one_importer_lives_in_it(house: Structure) -> None:
    found = house.single_importer(below=SMALL)
    assert len(found) <= SMALL_WITH_ONE_IMPORTER, found


def test_no_module_imports_itself_in_the_end(house: Structure) -> None:
    assert house.circles == []
