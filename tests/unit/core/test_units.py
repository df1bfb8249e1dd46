"""Units of length: as people write them, and what one is in another."""

from __future__ import annotations

import pytest

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.units import MILLIMETRES, conversion, in_words, unit_named


@pytest.mark.parametrize(
    ("text", "unit"),
    [("mm", "mm"), ("Metres", "m"), (" inch ", "in"), ("microns", "um"), ("MILLIMETERS", "mm")],
)
def test_a_unit_is_known_by_the_names_that_people_write(text: str, unit: str) -> None:
    assert unit_named(text) == unit


def test_what_is_no_unit_is_refused_with_what_may_have_been_meant() -> None:
    with pytest.raises(ConfigurationError, match=r"milimetres.*millimetres"):
        unit_named("milimetres")


def test_converting_there_and_back_changes_nothing() -> None:
    for given in MILLIMETRES:
        for wanted in MILLIMETRES:
            there = conversion(given, wanted)
            assert there * conversion(wanted, given) == pytest.approx(1.0)
    assert conversion("in", "mm") == pytest.approx(25.4)
    assert conversion("ft", "in") == pytest.approx(12.0)


def test_no_unit_is_called_by_one_that_nobody_stated() -> None:
    assert in_words("") == "units"
