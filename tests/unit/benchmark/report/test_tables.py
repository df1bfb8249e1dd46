"""Marks and orders of tables."""

from __future__ import annotations

from plane_anomalib.benchmark.report.tables import (
    BEST,
    OURS,
    SECOND,
    Cell,
    Group,
    Table,
    amount,
    marked,
    measured,
    ordered,
)


def rows(*values: float | None) -> list[list[Cell]]:
    return [[Cell(f"row {i}"), Cell("x", value)] for i, value in enumerate(values)]


def marks(*values: float | None) -> list[str]:
    return [row[1].mark for row in marked(rows(*values), [1])]


def test_best_and_second_are_marked() -> None:
    assert marks(0.2, 0.9, 0.5, None) == ["", BEST, SECOND, ""]


def test_values_that_are_printed_alike_are_marked_alike() -> None:
    assert marks(0.90012, 0.89998, 0.5, 0.5001, 0.1) == [BEST, BEST, SECOND, SECOND, ""]


def test_one_value_is_not_the_best_of_anything() -> None:
    assert marks(0.9) == marks(0.9, None)[:1] == [""]


def test_marking_leaves_the_rows_it_was_given_alone() -> None:
    given = rows(0.1, 0.2)
    marked(given, [1])
    assert [row[1].mark for row in given] == ["", ""]


def test_rows_without_a_number_come_last_and_equal_ones_by_name() -> None:
    order = ordered(rows(None, 0.5, 0.9, 0.5), 1)
    assert [row[0].text for row in order] == ["row 2", "row 1", "row 3", "row 0"]


def test_a_mean_says_what_it_varies_by_where_that_is_known() -> None:
    assert measured(0.12345, 0.0101).words == "0.123 ± 0.010"
    assert measured(0.12345, None).words == "0.123"


def test_some_columns_of_a_table_keep_its_rows_and_order() -> None:
    body = [[Cell("a"), Cell("b"), Cell("1", 1.0), Cell("2", 2.0)]]
    table = Table("t", ["m", "n", "x", "y"], [Group(OURS, body)], words=2, sorted_by=3)
    cut = table.columns([0, 3])
    assert (cut.heads, cut.words, cut.sorted_by) == (["m", "y"], 1, 1)
    assert [cell.text for cell in cut.groups[0].rows[0]] == ["a", "2"]
    assert table.columns([0, 2]).sorted_by is None


def test_amounts_of_any_size_have_three_digits() -> None:
    found = [amount(value).text for value in (0.0, 0.00123456, 0.5, 1.5, 12.345, 123.4, 12345.6)]
    assert found == ["0", "0.00123", "0.5", "1.50", "12.3", "123", "12,346"]
    assert amount(None).text == "-"
