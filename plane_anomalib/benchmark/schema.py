"""What a sweep writes and every report reads: jobs and their results, typed and versioned.

A job is one training and test of one model on one dataset with one seed. Its folder,
`<folder of results>/<job id>`, begins with an order, what its process is told, and ends with one
JSON file, `result.json`, with everything that belongs to it beside it: to merge the results of
several machines is to copy their folders together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from plane_anomalib.core.results import Component, Hardware, ResultsError, RunResult, Versions
from plane_anomalib.core.typed_data import (
    TypedDataError,
    from_plain,
    load_strict,
    read_versioned,
    write_json,
)

SCHEMA_VERSION = 1
ORDER_FILE, RESULT_FILE, LOG_FILE = "order.json", "result.json", "log.txt"
ONE_CLASS = "one-class"
ONE_FOR_ALL = "one-for-all"
DONE, FAILED, TIMEOUT, OUT_OF_MEMORY = "done", "failed", "timeout", "out_of_memory"


@dataclass(frozen=True)
class Cost:
    """What one call of a model takes.

    Attributes:
        products: Operations (a multiplication and an addition are two) of matrix products,
            convolutions, attention and `cdist`.
        distances: Operations of farthest point sampling and of nearest neighbours, as if every pair
            of points were compared. A kd-tree compares far fewer; how many depends on the points.
        parameters: Numbers in the model.
        trainable: Those of them that ask for a gradient.
    """

    products: int
    distances: int
    parameters: int
    trainable: int

    @property
    def operations(self) -> int:
        """Products and distances."""
        return self.products + self.distances


@dataclass(frozen=True)
class Job:
    """What is run.

    Attributes:
        row: The row of the table it belongs to, such as "BTF FPFH".
        column: The set of data it belongs to, as the sweep file calls it.
        model: The model's registered name and all of its arguments, defaults included.
        data: The dataset's registered name and all of its arguments, defaults included.
        categories: What it is trained and tested on, in order.
        scope: `ONE_CLASS`, a model for each category, or `ONE_FOR_ALL`.
        seed: Of model and data.
    """

    row: str
    column: str
    model: Component
    data: Component
    categories: list[str]
    scope: str
    seed: int


@dataclass(frozen=True)
class Identity:
    """What makes a job the same job: each part is a SHA-256, or None where there is nothing.

    Attributes:
        config: Of the job itself, its row and column names and machine paths left out.
        code: Of the package's sources that can change a result, and the plugin's for a plugin.
        data: Of the dataset's files, `plane_anomalib.core.provenance.data_hash`.
        weights: Of the files of pretrained weights that the model reads.
    """

    config: str
    code: str
    data: str | None
    weights: str | None


@dataclass(frozen=True)
class Failure:
    """Why there are no numbers: the error's type, its sentence, and the traceback."""

    type: str
    message: str
    traceback: str


@dataclass(frozen=True)
class JobTiming:
    """When, and how long.

    Attributes:
        started: Start of the job's process, ISO 8601 in UTC.
        finished: Its end.
        total_seconds: Wall-clock seconds between the two.
        fit_seconds: Wall-clock seconds of fitting, loading included; None if it did not end.
    """

    started: str
    finished: str
    total_seconds: float
    fit_seconds: float | None


@dataclass(frozen=True)
class SavedCloud:
    """A scored test cloud kept for the report.

    Attributes:
        file: `.npz` beside the result: `points (N, 3) float32`, `scores (N,) float32`, and
            `truth (N,) bool` where it is known.
        path: The cloud's path relative to the data root.
        category: Its category.
        kind: "best" or "worst", by point average precision within its category.
        point_AP: That number; None for a good cloud.
    """

    file: str
    path: str
    category: str
    kind: str
    point_AP: float | None  # noqa: N815 - as the metric is called


@dataclass(frozen=True)
class JobResult:
    """How a job ended.

    Attributes:
        job_id: Twenty hexadecimal digits of the SHA-256 of `identity`.
        job: What was run.
        identity: The hashes that make the id.
        status: `DONE`, `FAILED`, `TIMEOUT` or `OUT_OF_MEMORY`.
        run: The numbers; None unless done.
        cost: Operations of scoring one test cloud, and parameters; None where not counted.
        timing: When and how long.
        failure: Why there are no numbers; None if done.
        attempt: 1 for the first try.
        versions: The software.
        hardware: The machine.
        clouds: Scored clouds beside the result.
        schema_version: Version of this schema.
    """

    job_id: str
    job: Job
    identity: Identity
    status: str
    run: RunResult | None
    cost: Cost | None
    timing: JobTiming
    failure: Failure | None
    attempt: int
    versions: Versions
    hardware: Hardware
    clouds: list[SavedCloud] = field(default_factory=list)
    schema_version: int = SCHEMA_VERSION


def write_result(folder: Path, result: JobResult) -> Path:
    """Write a job's result below the folder of results, whole or not at all.

    Args:
        folder: The folder of results.
        result: What to write.

    Returns:
        The file.
    """
    home = folder / result.job_id
    home.mkdir(parents=True, exist_ok=True)
    return write_json(home / RESULT_FILE, result)


def read_result(file: Path) -> JobResult:
    """Read a job's result.

    Raises:
        ResultsError: The file is missing, damaged or of another schema version.
    """
    return read_versioned(
        JobResult,
        file,
        field="schema_version",
        version=SCHEMA_VERSION,
        error=ResultsError,
        redo="delete it to run the job again",
    )


def read_results(folder: Path) -> list[JobResult]:
    """Every result below a folder of results, in the order of job ids.

    Raises:
        ResultsError: One of them cannot be read.
    """
    return [read_result(file) for file in sorted(folder.glob(f"*/{RESULT_FILE}"))]


@dataclass(frozen=True)
class JobOrder:
    """A job to run.

    Attributes:
        job_id: Its id.
        job: What to run.
        identity: Its hashes.
        attempt: 1 for the first try.
    """

    job_id: str
    job: Job
    identity: Identity
    attempt: int = 1


def write_order(home: Path, order: JobOrder) -> None:
    """Write an order into the job's folder."""
    write_json(home / ORDER_FILE, order)


def read_order(home: Path) -> JobOrder:
    """Read the order of a job's folder.

    Raises:
        ResultsError: It is missing or damaged.
    """
    file = home / ORDER_FILE
    try:
        return from_plain(JobOrder, load_strict(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, TypedDataError) as error:
        raise ResultsError(
            f"{file}: cannot be read ({error}); run the sweep again, which writes it anew."
        ) from error
