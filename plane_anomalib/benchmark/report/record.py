"""The record of a report: what failed, on which machines and versions, from which files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plane_anomalib.benchmark.report.tables import OURS, Cell, Group, Table
from plane_anomalib.benchmark.schema import JobResult
from plane_anomalib.core.provenance import NOT_CONFIGURATION
from plane_anomalib.core.results import Component
from plane_anomalib.core.typed_data import strict_json

_DIGITS = 12


@dataclass(frozen=True)
class FailedJob:
    """A job without numbers, in words."""

    title: str
    status: str
    error: str
    traceback: str


def failed_jobs(results: Iterable[JobResult]) -> list[FailedJob]:
    """What failed and why."""
    found = []
    for result in results:
        job, failure = result.job, result.failure
        title = (
            f"{job.row} ({job.scope}) on {job.column}: {', '.join(job.categories)}; seed "
            f"{job.seed}, attempt {result.attempt}, job {result.job_id}"
        )
        error = f"{failure.type}: {failure.message}" if failure else "It left no error."
        traceback = failure.traceback if failure else ""
        found.append(FailedJob(title, result.status.replace("_", " "), error, traceback))
    return found


def environments(results: Sequence[JobResult]) -> Table:
    """Software and machines, with the number of jobs of each."""
    counted = Counter((result.versions, result.hardware) for result in results)
    lines = [
        [
            Cell(machine.cpu),
            Cell(str(machine.cores), machine.cores),
            Cell(f"{machine.ram_bytes / 1e9:.0f}", machine.ram_bytes),
            Cell(machine.gpu or "none"),
            Cell(f"{versions.plane_anomalib} ({_short(versions.git_commit)})"),
            Cell(versions.anomalib),
            Cell(versions.torch),
            Cell(versions.python),
            Cell(str(jobs), jobs),
        ]
        for (versions, machine), jobs in counted.items()
    ]
    heads = ["Processor", "Cores", "Memory GB", "GPU", "plane_anomalib", "anomalib", "torch"]
    return Table("Machines and software", [*heads, "Python", "Jobs"], [Group(OURS, lines)], words=1)


def hashes(results: Sequence[JobResult]) -> Table:
    """What each result was made of, by the first digits of SHA-256."""
    lines = [
        [
            Cell(result.job.row),
            Cell(result.job.column),
            Cell(_several(result.job.categories)),
            Cell(str(result.job.seed), result.job.seed),
            Cell(result.status.replace("_", " ")),
            Cell(result.job_id),
            *(
                Cell(_short(part))
                for part in (
                    result.identity.code,
                    result.identity.data,
                    result.identity.weights,
                    result.run.weights_hash if result.run is not None else None,
                )
            ),
        ]
        for result in results
    ]
    heads = ["Method", "Data", "Categories", "Seed", "Status", "Job", "Code", "Files"]
    return Table(
        "Jobs and what they were made of",
        [*heads, "Read weights", "Final weights"],
        [Group(OURS, lines)],
        words=10,
        notes=[f"The first {_DIGITS} digits of SHA-256; result.json holds all of them."],
    )


def settings(results: Iterable[JobResult]) -> list[tuple[str, str]]:
    """Arguments of each model and dataset as JSON, places on disk left out.

    Seeds differ from job to job of a row, so the first job speaks for the others.
    """
    found: dict[str, str] = {}
    for result in results:
        job = result.job
        found.setdefault(f"{job.row} ({job.scope}): {job.model.name}", _arguments(job.model))
        found.setdefault(f"{job.column}: {job.data.name}", _arguments(job.data))
    return sorted(found.items())


def _arguments(component: Component) -> str:
    kept = {k: v for k, v in component.arguments.items() if k not in NOT_CONFIGURATION}
    return strict_json(kept, indent=2)


def _several(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more"


def _short(text: str | None) -> str:
    if text is None:
        return "-"
    commit, mark, rest = text.partition("+")
    return commit[:_DIGITS] + mark + rest
