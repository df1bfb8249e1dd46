"""From a sweep file to its jobs, each with its id, and to what stands in the way of others."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from plane_anomalib.benchmark.data_files import Listing, list_data
from plane_anomalib.benchmark.identity import identify, job_id
from plane_anomalib.benchmark.schema import ONE_FOR_ALL, Identity, Job
from plane_anomalib.benchmark.sweep_file import DataColumn, ModelRow, SweepFile
from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError
from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.core.results import Component
from plane_anomalib.data.categories import parse_categories

_SCOPE_WORDS = {True: "all", False: "category"}
"""What a model with a memory bank calls one-for-all, and one-class."""


@dataclass(frozen=True)
class Planned:
    """A job and what makes it the same job elsewhere.

    Attributes:
        job: What to run.
        identity: Its hashes; None as long as its data are yet to be made.
        clouds: Number of test clouds; 0 if not known.
    """

    job: Job
    identity: Identity | None
    clouds: int = 0

    @property
    def job_id(self) -> str | None:
        """The name of its folder; None as long as its data are yet to be made."""
        return None if self.identity is None else job_id(self.identity)


@dataclass(frozen=True)
class Gap:
    """A row that cannot be run on a column, and why."""

    row: str
    column: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """All jobs of a sweep.

    Attributes:
        title: Of the sweep.
        jobs: In the order in which they are run.
        gaps: What is missing.
        notes: What a reader of the tables should know.
    """

    title: str
    jobs: list[Planned]
    gaps: list[Gap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def shard(self, index: int, count: int) -> Plan:
        """Every `count`-th job, from the `index`-th on, counted from 1."""
        return Plan(self.title, self.jobs[index - 1 :: count], self.gaps, self.notes)

    def rows(self, patterns: Sequence[str]) -> Plan:
        """The jobs of rows whose name fits one of the patterns (`*` and `?` allowed).

        Raises:
            ConfigurationError: None does.
        """

        def wanted(name: str) -> bool:
            return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)

        jobs = [planned for planned in self.jobs if wanted(planned.job.row)]
        gaps = [gap for gap in self.gaps if wanted(gap.row)]
        if not jobs and not gaps:
            names = dict.fromkeys(planned.job.row for planned in self.jobs)
            raise ConfigurationError(
                f"No row fits {' '.join(patterns)}: there are {', '.join(names)}."
            )
        return Plan(self.title, jobs, gaps, self.notes)


def make_plan(sweep: SweepFile, cache: Path, *, make: bool) -> Plan:
    """Find the jobs of a sweep.

    Args:
        sweep: The sweep.
        cache: Folder for what was found of the data before.
        make: Let datasets that make their own files make them; jobs on files that are yet to be
            made have no id.

    Raises:
        ConfigurationError: An argument of the sweep file cannot be meant.
    """
    if not sweep.data:
        raise ConfigurationError(f"{sweep.title} names no data: give --objects ROOT.")
    plan = Plan(sweep.title, [])
    for column in sweep.data:
        for row in sweep.models:
            if row.only and not {column.column, column.dataset} & set(row.only):
                continue
            try:
                plan.jobs.extend(_jobs(sweep, column, row, cache, plan.notes, make=make))
            except ConfigurationError as error:
                raise ConfigurationError(f"{row.row} on {column.column}: {error}") from error
            except PlaneAnomalibError as error:
                plan.gaps.append(Gap(row.row, column.column, str(error)))
    return plan


def _jobs(
    sweep: SweepFile,
    column: DataColumn,
    row: ModelRow,
    cache: Path,
    notes: list[str],
    *,
    make: bool,
) -> list[Planned]:
    scope = row.scope or sweep.scope
    wanted = parse_categories(column.categories or sweep.categories)
    arguments = {**column.arguments, **row.data_arguments, "category": wanted}
    data = DATASETS.complete(column.dataset, arguments)
    model = _scoped(MODELS.complete(row.model, row.arguments), row, scope)
    listing = list_data(data, cache, make=make)
    note = _absence(column, listing)
    if note and note not in notes:
        notes.append(note)
    names = list(listing.categories)
    groups = [names] if scope == ONE_FOR_ALL else [[name] for name in names]
    return [
        _planned(_job(row, column, model, data, group, scope, seed), listing, cache)
        for group in groups
        for seed in sweep.seeds
    ]


def _job(
    row: ModelRow,
    column: DataColumn,
    model: Component,
    data: Component,
    categories: list[str],
    scope: str,
    seed: int,
) -> Job:
    seeded = [
        Component(c.name, {**c.arguments, "seed": seed}) if "seed" in c.arguments else c
        for c in (model, data)
    ]
    chosen = Component(data.name, {**seeded[1].arguments, "category": categories})
    return Job(row.row, column.column, seeded[0], chosen, categories, scope, seed)


def _planned(job: Job, listing: Listing, cache: Path) -> Planned:
    clouds = sum(listing.clouds.get(name, 0) for name in job.categories)
    if not listing.is_made:
        return Planned(job, None, clouds)
    return Planned(job, identify(job, listing.hash_of(job.categories), cache), clouds)


def _scoped(model: Component, row: ModelRow, scope: str) -> Component:
    """The model told of the scope, if it has to know; pictures off, since nobody would see them."""
    arguments = dict(model.arguments)
    word = _SCOPE_WORDS[scope == ONE_FOR_ALL]
    if arguments.get("scope") in _SCOPE_WORDS.values():
        if row.arguments.get("scope", word) != word:
            raise ConfigurationError(f"its argument scope says otherwise than the sweep's {scope}.")
        arguments["scope"] = word
    if "visualizer" in arguments and "visualizer" not in row.arguments:
        arguments["visualizer"] = False
    return Component(model.name, arguments)


def _absence(column: DataColumn, listing: Listing) -> str:
    if not listing.absent or not column.official:
        return ""
    names = ", ".join(listing.absent[:6]) + (", ..." if len(listing.absent) > 6 else "")
    return (
        f"{column.column}: {len(listing.absent)} of the published categories are not in "
        f"{column.arguments.get('root', 'its folder')}: {names}."
    )
