"""The tests that a new package starts with pass on what it starts with."""

from tests.support.template import TEMPLATE  # isort: skip  (makes the next line possible)
from test_model_name import (
    subject,
    test_a_point_off_the_surface_gets_the_highest_score,
    test_contract,
)

__all__ = [
    "subject",
    "test_a_point_off_the_surface_gets_the_highest_score",
    "test_contract",
]


def test_template_is_what_is_imported() -> None:
    assert test_contract.__code__.co_filename == str(TEMPLATE / "tests" / "test_model_name.py")
