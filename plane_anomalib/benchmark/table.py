"""From the results of jobs to a leaderboard: what was measured, and what is missing.

One-class jobs come one per category, one-for-all jobs with all of theirs in one result; both are
taken apart into categories first. A mean goes over the same categories for every row, or the row
says how many it lacks and is compared with nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from plane_anomalib.benchmark.row_cost import RowCost, row_cost
from plane_anomalib.benchmark.rows import Place, RowKey, mixtures, newest, order, row_key
from plane_anomalib.benchmark.schema import DONE, JobResult
from plane_anomalib.benchmark.statistics import mean_and_deviation
from plane_anomalib.core.results import METRIC_NAMES


@dataclass(frozen=True)
class Score:
    """What one row reached in one metric of one column.

    Attributes:
        mean: Mean over the complete seeds of the mean over categories; if no seed is complete,
            the mean over the categories there are; None if there is none.
        deviation: Standard deviation over the complete seeds; None for fewer than two.
        per_seed: Mean over categories of each complete seed.
        per_category: Mean over seeds (the complete ones, if there are any) of each category.
        expected: How many categories have this metric.
        left_out: Seeds that were run and lack a category.
    """

    mean: float | None
    deviation: float | None
    per_seed: dict[int, float]
    per_category: dict[str, float]
    expected: int
    left_out: list[int] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether at least one seed has every category: only then it is compared with others."""
        return bool(self.per_seed)

    @property
    def coverage(self) -> str:
        """How much of what was to be measured is there, in words; empty if all of it."""
        if not self.complete:
            found = len(self.per_category)
            if found < self.expected or not found:
                return f"{found} of {self.expected} categories"
            return f"no seed has all {self.expected} categories"
        if self.left_out:
            seeds = ", ".join(str(seed) for seed in self.left_out)
            return f"incomplete and left out: seed {seeds}"
        return ""


@dataclass(frozen=True)
class Leaderboard:
    """All rows of a sweep.

    Attributes:
        columns: Sets of data, by name.
        metrics: Metrics that at least one result has, in the order of `METRIC_NAMES`.
        rows: All rows, failed ones included, by name.
        categories: What was to be run, for each column.
        without: Categories that cannot have a metric, for each column and metric.
        scores: For each row, column and metric; absent where a row was not run on a column.
        costs: For each row and column with a finished job.
        floors: What chance gives in the mean over categories, for each column and metric.
        results: The results shown: for each row, column and seed the newest of each category.
        notices: What a reader must know before comparing.
    """

    columns: list[str]
    metrics: list[str]
    rows: list[RowKey]
    categories: dict[str, list[str]]
    without: dict[tuple[str, str], list[str]]
    scores: dict[tuple[RowKey, str, str], Score]
    costs: dict[tuple[RowKey, str], RowCost]
    floors: dict[tuple[str, str], float]
    results: list[JobResult]
    notices: list[str]

    @property
    def failures(self) -> list[JobResult]:
        """Results without numbers."""
        return [result for result in self.results if result.status != DONE]

    def label(self, key: RowKey) -> str:
        """The row's name, with its scope where the name alone does not tell it apart."""
        twins = sum(other.row == key.row for other in self.rows)
        return key.row if twins == 1 else f"{key.row} ({key.scope})"

    def rows_of(self, column: str) -> list[RowKey]:
        """Rows that were run on a column, finished or not."""
        run = {row_key(result) for result in self.results if result.job.column == column}
        return [key for key in self.rows if key in run]

    def comparable(self, column: str, metric: str) -> dict[RowKey, Score]:
        """The complete scores of a column and metric."""
        found = ((key, self.scores.get((key, column, metric))) for key in self.rows)
        return {key: score for key, score in found if score is not None and score.complete}

    def metrics_of(self, column: str) -> list[str]:
        """Metrics that some row has on a column."""
        return [
            metric
            for metric in self.metrics
            if any(self.scores[key, column, metric].per_category for key in self.rows_of(column))
        ]


def leaderboard(results: Sequence[JobResult]) -> Leaderboard:
    """Put results together.

    Args:
        results: Of one sweep, finished and failed, in any order.

    Returns:
        The leaderboard; rows and columns are sorted by name.
    """
    kept, notices = newest(results)
    measured = _Measured(kept)
    columns = sorted({result.job.column for result in kept.values()})
    rows = sorted({key for key, *_ in kept})
    shown = list({result.job_id: result for result in kept.values()}.values())
    metrics = [name for name in METRIC_NAMES if any(name in v for v in measured.values.values())]
    pairs = sorted({(row_key(result), result.job.column) for result in shown})
    without = {(c, m): w for c in columns for m in metrics if (w := measured.without(c, m))}
    costs = {
        (key, column): cost
        for key, column in pairs
        if (cost := row_cost([r for r in shown if (row_key(r), r.job.column) == (key, column)]))
    }
    return Leaderboard(
        columns=columns,
        metrics=metrics,
        rows=rows,
        categories={column: measured.categories(column) for column in columns},
        without=without,
        scores={(k, c, m): measured.score(k, c, m) for k, c in pairs for m in metrics},
        costs=costs,
        floors={
            (column, metric): floor
            for column in columns
            for metric in metrics
            if (floor := measured.floor(column, metric)) is not None
        },
        results=sorted(shown, key=order),
        notices=notices + mixtures(shown),
    )


class _Measured:
    """Numbers by place, and which categories each column and metric should have."""

    def __init__(self, kept: dict[Place, JobResult]) -> None:
        self.kept = kept
        self.values: dict[Place, dict[str, float]] = {}
        self._floors: dict[tuple[str, str, str], float] = {}
        for place, result in kept.items():
            if result.run is None:
                continue
            found = result.run.metrics.per_category.get(place[3], {})
            self.values[place] = {name: v for name, v in found.items() if v is not None}
            for name, floor in result.run.metrics.floors.get(place[3], {}).items():
                if floor is not None:
                    self._floors.setdefault((place[1], name, place[3]), floor)

    def categories(self, column: str) -> list[str]:
        """All categories that any job of a column was to run."""
        return sorted({category for _, where, _, category in self.kept if where == column})

    def without(self, column: str, metric: str) -> list[str]:
        """Categories that finished somewhere, and nowhere with this metric: the data lack it."""
        finished: dict[str, bool] = defaultdict(bool)
        for (_, where, _, category), values in self.values.items():
            if where == column:
                finished[category] |= metric in values
        return sorted(category for category, seen in finished.items() if not seen)

    def expected(self, column: str, metric: str) -> list[str]:
        """Categories that a complete row has."""
        lacking = self.without(column, metric)
        return [name for name in self.categories(column) if name not in lacking]

    def floor(self, column: str, metric: str) -> float | None:
        """Mean of what chance gives; None unless known for all of them."""
        wanted = self.expected(column, metric)
        found = [self._floors.get((column, metric, name)) for name in wanted]
        known = [value for value in found if value is not None]
        return sum(known) / len(known) if known and len(known) == len(found) else None

    def score(self, key: RowKey, column: str, metric: str) -> Score:
        """One row's number."""
        wanted = self.expected(column, metric)
        seeds = sorted({s for row, where, s, _ in self.kept if (row, where) == (key, column)})
        by_seed = {
            seed: {
                name: values[metric]
                for name in wanted
                if metric in (values := self.values.get((key, column, seed, name), {}))
            }
            for seed in seeds
        }
        complete = [s for s, found in by_seed.items() if wanted and len(found) == len(wanted)]
        pooled: dict[str, list[float]] = {}
        for name in wanted:
            found = [by_seed[s][name] for s in complete or seeds if name in by_seed[s]]
            if found:
                pooled[name] = found
        per_category = {name: sum(found) / len(found) for name, found in pooled.items()}
        per_seed = {s: sum(by_seed[s].values()) / len(wanted) for s in complete}
        mean, deviation = mean_and_deviation(list((per_seed or per_category).values()))
        return Score(
            mean=mean,
            deviation=deviation if per_seed else None,
            per_seed=per_seed,
            per_category=per_category,
            expected=len(wanted),
            left_out=[seed for seed in seeds if seed not in complete],
        )
