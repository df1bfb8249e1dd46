"""Tables as data, which every format of a report draws in its own way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from plane_anomalib.benchmark.leaderboard import Score

OURS, INCOMPLETE, REPORTED = "ours", "incomplete", "reported"
INCOMPLETE_TITLE = "Incomplete: over fewer categories, so not compared with the others"
REPORTED_TITLE = "Reported by others on the official data, not run here, not ranked"
ABSENT = "-"
BEST, SECOND = "best", "second"
DECIMALS = 3


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: What it says, unescaped.
        value: What it sorts by; None where it has no number.
        spread: What the number varies by; empty where unknown.
        mark: `BEST`, `SECOND` or nothing.
        shade: 0 to 1 in a heat map; None without one.
    """

    text: str
    value: float | None = None
    spread: str = ""
    mark: str = ""
    shade: float | None = None

    @property
    def words(self) -> str:
        """The text and what it varies by."""
        return f"{self.text} ± {self.spread}" if self.spread else self.text


@dataclass(frozen=True)
class Group:
    """Rows that belong together and are never sorted among others.

    Attributes:
        kind: `OURS`, `INCOMPLETE` or `REPORTED`.
        rows: Their cells.
        title: What sets them apart; empty for the first group.
    """

    kind: str
    rows: list[list[Cell]]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: What it shows.
        heads: Titles of the columns.
        groups: Its rows.
        words: How many columns from the left hold words; the others hold numbers.
        foot: Rows below all others.
        notes: Sentences below it.
        sorted_by: The column it is sorted by, descending; None if it is not.
    """

    caption: str
    heads: list[str]
    groups: list[Group]
    words: int = 1
    foot: list[list[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sorted_by: int | None = None

    def columns(self, wanted: Sequence[int], caption: str = "") -> Table:
        """The same rows with some of the columns, those with words first."""
        pick = list(wanted)

        def cut(rows: Iterable[Sequence[Cell]]) -> list[list[Cell]]:
            return [[row[i] for i in pick] for row in rows]

        groups = [replace(group, rows=cut(group.rows)) for group in self.groups]
        return replace(
            self,
            caption=caption or self.caption,
            heads=[self.heads[i] for i in pick],
            groups=groups,
            words=sum(i < self.words for i in pick),
            foot=cut(self.foot),
            sorted_by=pick.index(self.sorted_by) if self.sorted_by in pick else None,
        )


def metric_name(metric: str) -> str:
    """A metric as it is read."""
    return metric.replace("_", " ")


def number(value: float | None, decimals: int = DECIMALS) -> Cell:
    """A plain number."""
    return Cell(ABSENT) if value is None else Cell(f"{value:.{decimals}f}", value)


def amount(value: float | None) -> Cell:
    """A number of any size, to three digits."""
    if value is None:
        return Cell(ABSENT)
    size = abs(value)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else None
    return Cell(f"{value:.3g}" if decimals is None else f"{value:,.{decimals}f}", value)


def score_cell(score: Score | None) -> Cell:
    """A mean, with its deviation over seeds; a dagger where it is not over all categories."""
    if score is None or score.mean is None:
        return Cell(ABSENT)
    return measured(score.mean, score.deviation, "" if score.complete else "†")


def measured(mean: float, deviation: float | None, suffix: str = "") -> Cell:
    """A mean and what it varies by."""
    spread = "" if deviation is None else f"{deviation:.{DECIMALS}f}"
    return Cell(f"{mean:.{DECIMALS}f}{suffix}", mean, spread)


def marked(rows: Sequence[Sequence[Cell]], columns: Iterable[int]) -> list[list[Cell]]:
    """Mark the best and the second best of each column, equal ones alike, as printed.

    Args:
        rows: Rows that may be compared.
        columns: Where a larger value is better.

    Returns:
        The rows with marks; without any if there are fewer than two to compare.
    """
    done = [list(row) for row in rows]
    for column in columns:
        known = [
            (row, round(cell.value, DECIMALS))
            for row in done
            if (cell := row[column]).value is not None
        ]
        steps = sorted({value for _, value in known}, reverse=True)[:2]
        if len(known) < 2:
            continue
        for row, value in known:
            if value in steps:
                row[column] = replace(row[column], mark=(BEST, SECOND)[steps.index(value)])
    return done


def ordered(rows: Iterable[list[Cell]], column: int | None) -> list[list[Cell]]:
    """Rows by a column, the largest first and those without a number last."""
    if column is None:
        return list(rows)
    keyed = [(row[column].value, row) for row in rows]
    return [
        row
        for _, row in sorted(
            keyed, key=lambda pair: (pair[0] is None, -(pair[0] or 0.0), pair[1][0].text)
        )
    ]
