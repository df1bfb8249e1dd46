"""Rows of a table and the results that belong to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plane_anomalib.benchmark.schema import JobResult


@dataclass(frozen=True, order=True)
class RowKey:
    """A row of the table: a method under its name, and how it was trained."""

    row: str
    scope: str


def row_key(result: JobResult) -> RowKey:
    """The row a result belongs to."""
    return RowKey(result.job.row, result.job.scope)


def order(result: JobResult) -> tuple[object, ...]:
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
        for old in sorted(older.values(), key=order)
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
