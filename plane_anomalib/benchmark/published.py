"""Numbers that papers report, and when they may stand beside ours.

A reported number is of the official data. Folders in the layout of a benchmark may hold other
objects under the same category names, so the names of the test clouds decide as well.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

from plane_anomalib.benchmark.schema import JobResult
from plane_anomalib.core.registry import normalised

_DATASETS = {"AnomalyShapeNet": "Anomaly-ShapeNet", "Real3DAD": "Real3D-AD"}
_METRICS = {"object_F1Max": "object_F1max", "point_F1Max": "point_F1max"}
_MEAN = "mean"


@dataclass(frozen=True)
class Published:
    """One reported number.

    Attributes:
        source: Where it is printed.
        dataset: The dataset, as papers write it.
        category: The dataset's own name of the category, or "mean".
        method: The method, as the source calls it.
        metric: One of `plane_anomalib.core.results.METRIC_NAMES`.
        value: The number.
        deviation: Its standard deviation, where one is printed.
    """

    source: str
    dataset: str
    category: str
    method: str
    metric: str
    value: float
    deviation: float | None


@dataclass(frozen=True)
class ReportedRow:
    """One method of one source, over the categories of a column.

    Attributes:
        method: The method.
        source: The publication.
        mean: Mean of each metric, with its standard deviation where one is printed.
        per_category: Each metric's values by category.
        averaged: Metrics whose mean was taken here, over the categories of the column.
    """

    method: str
    source: str
    mean: dict[str, tuple[float, float | None]]
    per_category: dict[str, dict[str, float]]
    averaged: frozenset[str]


@dataclass(frozen=True)
class Reported:
    """What is known about a column from elsewhere.

    Attributes:
        rows: Methods; empty where the data is not the official one.
        reason: Why there are none, or what the comparison rests on, in one sentence.
    """

    rows: list[ReportedRow]
    reason: str


@cache
def published_scores() -> tuple[Published, ...]:
    """Every reported number that comes with this package."""
    return tuple(
        Published(
            source=row["source"],
            dataset=row["dataset"],
            category=row["category"],
            method=row["method"],
            metric=_METRICS.get(row["metric"], row["metric"]),
            value=float(row["value"]),
            deviation=float(row["std"]) if row["std"] else None,
        )
        for row in _table("published_scores.csv")
    )


def reported_for(results: Sequence[JobResult], categories: Sequence[str]) -> Reported:
    """The reported rows that may stand beside the results of one column.

    Args:
        results: All results of the column.
        categories: What the column goes over.

    Returns:
        Rows over these categories, or the reason why there are none.
    """
    names = {normalised(result.job.data.name) for result in results}
    known = {normalised(name): dataset for name, dataset in _DATASETS.items()}
    if len(names) != 1 or not names <= known.keys():
        used = ", ".join(sorted({result.job.data.name for result in results}))
        return Reported([], f"No reported numbers: none are known for the data {used}.")
    dataset = known[names.pop()]
    if reason := _not_official(results, categories, dataset):
        return Reported([], f"No reported numbers: {reason}.")
    rows = _rows(dataset, categories)
    reason = (
        f"Reported numbers are copied from the sources named and were not run here. The test "
        f"clouds have the names of the official {dataset}; their content is not compared."
    )
    return Reported(rows, reason)


def _not_official(
    results: Iterable[JobResult], categories: Sequence[str], dataset: str
) -> str | None:
    """What speaks against these being the official data, if anything does."""
    official = _official(dataset)
    if unknown := [name for name in categories if name not in official]:
        return f"the paper's tables of {dataset} have no category {unknown[0]}"
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for result in results:
        for item in result.run.objects if result.run is not None else ():
            seen[result.job_id, item.category].add(PurePosixPath(item.path).name)
    if not seen:
        return "no job has finished, so the data is not known to be the official one"
    for (_, category), files in sorted(seen.items()):
        wanted = official.get(category)
        if wanted is None:
            return f"the paper's tables of {dataset} have no category {category}"
        digest = hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()
        if digest != wanted["names_sha256"]:
            return (
                f"the data is in the layout of {dataset} but is not {dataset}: {category} has "
                f"{len(files)} test clouds, not the {wanted['test_clouds']} official ones by name"
            )
    return None


def _rows(dataset: str, categories: Sequence[str]) -> list[ReportedRow]:
    whole = _official(dataset).keys() <= set(categories)
    by_row: dict[tuple[str, str], list[Published]] = defaultdict(list)
    for score in published_scores():
        if score.dataset == dataset:
            # Tables of one paper are one source.
            by_row[score.source.partition(", Table")[0], score.method].append(score)
    rows = (_row(source, method, s, categories, whole) for (source, method), s in by_row.items())
    return [row for row in rows if row.mean]


def _row(
    source: str, method: str, scores: Sequence[Published], categories: Sequence[str], whole: bool
) -> ReportedRow:
    """`whole` says that the categories are all of the dataset: then its printed means hold."""
    values: dict[str, dict[str, float]] = defaultdict(dict)
    means: dict[str, tuple[float, float | None]] = {}
    for score in scores:
        if score.category == _MEAN:
            # Where two tables print the same mean, the one with a deviation says more.
            if score.metric not in means or score.deviation is not None:
                means[score.metric] = score.value, score.deviation
        else:
            values[score.metric][score.category] = score.value
    per_category = {
        metric: {name: found[name] for name in categories if name in found}
        for metric, found in values.items()
    }
    averaged: set[str] = set()
    if not whole:
        averaged = {m for m, found in per_category.items() if len(found) == len(categories)}
        means = {
            metric: (sum(per_category[metric].values()) / len(categories), None)
            for metric in averaged
        }
    return ReportedRow(method, source, means, per_category, frozenset(averaged))


def _official(dataset: str) -> dict[str, dict[str, str]]:
    """What is known of each official category."""
    rows = (row for row in _table("official_tests.csv") if row["dataset"] == dataset)
    return {row["category"]: row for row in rows}


def _table(name: str) -> list[dict[str, str]]:
    folder = resources.files("plane_anomalib.benchmark") / "reference"
    return list(csv.DictReader((folder / name).read_text("utf-8").splitlines()))
