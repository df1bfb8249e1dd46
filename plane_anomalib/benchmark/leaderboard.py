"""From the results of jobs to a leaderboard: what was measured, what it cost, what is missing.

One-class jobs come one per category, one-for-all jobs with all of theirs in one result; both are
taken apart into categories first. A mean goes over the same categories for every row, or the row
says how many it lacks and is compared with nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from plane_anomalib.benchmark.schema import DONE, JobResult
from plane_anomalib.benchmark.statistics import mean_and_deviation
from plane_anomalib.core.results import METRIC_NAMES, Hardware


@dataclass(frozen=True, order=True)
class RowKey:
    """A row of the table: a method under its name, and how it was trained."""

    row: str
    scope: str


def row_key(result: JobResult) -> RowKey:
    """The row a result belongs to."""
    return RowKey(result.job.row, result.job.scope)


def sort_key(result: JobResult) -> tuple[object, ...]:
    """What results are sorted by: names, then seed."""
    job = result.job
    return (job.row, job.scope, job.column, job.seed, job.categories, result.job_id)


Place = tuple[RowKey, str, int, str]
"""Row, column, seed and category."""


def newest(results: Iterable[JobResult]) -> tuple[dict[Place, JobResult], list[str]]:
    """The newest result of every place; what it takes the place of is told."""
    kept: dict[Place, JobResult] = {}
    older: dict[str, JobResult] = {}
    for result in sorted(results, key=lambda r: (r.timing.finished, r.job_id)):
        for category in result.job.categories:
            place = (row_key(result), result.job.column, result.job.seed, category)
            before = kept.get(place)
            if before is not None and before.job_id != result.job_id:
                older[before.job_id] = before
            kept[place] = result
    notices = [
        f"{old.job.row} on {old.job.column}, seed {old.job.seed}: there are several results; the "
        f"newest are shown, {old.job_id} is left out."
        for old in sorted(older.values(), key=sort_key)
    ]
    return kept, notices


def mixtures(results: Sequence[JobResult]) -> list[str]:
    """Results that were not made alike."""
    data: dict[tuple[str, tuple[str, ...]], set[str | None]] = defaultdict(set)
    # The code that counts is that of the model and of the dataset's loader.
    code: dict[tuple[str, str], set[str]] = defaultdict(set)
    for result in results:
        data[result.job.column, tuple(result.job.categories)].add(result.identity.data)
        code[result.job.row, result.job.data.name].add(result.identity.code)
    mixed = sorted({column for (column, _), hashes in data.items() if len(hashes) > 1})
    notices = [
        f"{name}: the rows did not all see the same files; see their hashes." for name in mixed
    ]
    notices += [
        f"{row}: its results come from different versions of the code."
        for row in sorted({row for (row, _), hashes in code.items() if len(hashes) > 1})
    ]
    commits = {(r.versions.plane_anomalib, r.versions.git_commit) for r in results}
    if len(commits) > 1:
        notices.append(f"The results come from {len(commits)} versions of plane_anomalib.")
    machines = {r.hardware for r in results}
    if len(machines) > 1:
        notices.append(
            f"The results come from {len(machines)} kinds of machine: compare times with care."
        )
    return notices


@dataclass(frozen=True)
class RowCost:
    """Costs of all finished jobs of a row on a column; None where not measured.

    Attributes:
        seconds_per_cloud: Mean over test clouds of the seconds to score one, loading left out.
        fit_seconds: Mean over seeds of the seconds to fit all categories.
        peak_memory_bytes: Largest resident memory of a job.
        peak_gpu_memory_bytes: Largest GPU memory of a job.
        operations: Mean over jobs of the operations to score a cloud.
        parameters: Most numbers in a model.
        hardware: The machines.
    """

    seconds_per_cloud: float | None
    fit_seconds: float | None
    peak_memory_bytes: int | None
    peak_gpu_memory_bytes: int | None
    operations: float | None
    parameters: int | None
    hardware: list[Hardware]


def row_cost(results: Sequence[JobResult]) -> RowCost | None:
    """Put the costs of one row on one column together; None without a finished job."""
    runs = [(result, result.run) for result in results if result.run is not None]
    if not runs:
        return None
    timed = [
        (len(run.objects), run.timing.seconds_per_cloud)
        for _, run in runs
        if run.timing.seconds_per_cloud is not None and run.objects
    ]
    clouds = sum(count for count, _ in timed)
    fitted = [r.timing.fit_seconds for r, _ in runs if r.timing.fit_seconds is not None]
    seeds = len({result.job.seed for result, _ in runs})
    graphics = [
        run.peak_gpu_memory_bytes for _, run in runs if run.peak_gpu_memory_bytes is not None
    ]
    counted = [result.cost for result, _ in runs if result.cost is not None]
    return RowCost(
        seconds_per_cloud=sum(n * s for n, s in timed) / clouds if clouds else None,
        fit_seconds=sum(fitted) / seeds if len(fitted) == len(runs) else None,
        # The system may not say, which is written as 0.
        peak_memory_bytes=max(run.peak_memory_bytes for _, run in runs) or None,
        peak_gpu_memory_bytes=max(graphics, default=None),
        operations=sum(c.operations for c in counted) / len(counted) if counted else None,
        parameters=max((c.parameters for c in counted), default=None),
        hardware=list(dict.fromkeys(result.hardware for result, _ in runs)),
    )


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
        results=sorted(shown, key=sort_key),
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
