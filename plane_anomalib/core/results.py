"""What one test run found: the one schema that every run writes and every report reads.

A run is a :class:`RunResult`, written as strict JSON (absent numbers are `null`, never `NaN`)
to `metrics.json` in the run directory. `schema_version` says how to read it; another version is
refused with a sentence rather than half understood.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.core.files import replaced
from plane_anomalib.core.typed_data import parse_versioned, strict_json

SCHEMA_VERSION = 1
METRICS_FILE = "metrics.json"
METRIC_NAMES = (
    "object_AUROC",
    "object_AP",
    "object_F1max",
    "point_AUROC",
    "point_AP",
    "point_F1max",
    "point_AUPRO",
    "point_AUROC_per_cloud",
)

MetricValues = dict[str, float | None]


class ResultsError(PlaneAnomalibError):
    """A results file cannot be read."""


@dataclass(frozen=True)
class Versions:
    """The software of a run.

    Attributes:
        plane_anomalib: Version of this package.
        git_commit: Commit of this package's checkout, `+dirty` appended if edited; "unknown" when
            it was installed from an archive.
        anomalib: Version of anomalib.
        torch: Version of torch.
        python: Version of Python.
    """

    plane_anomalib: str
    git_commit: str
    anomalib: str
    torch: str
    python: str


@dataclass(frozen=True)
class Component:
    """A model or dataset by name, with the arguments that made it (plain JSON data)."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CategoryCounts:
    """What one category holds; train clouds are None when the run did not see a training set."""

    train_clouds: int | None
    test_good: int
    test_bad: int
    test_points: int
    anomalous_points: int
    regions: int


@dataclass(frozen=True)
class Hardware:
    """The machine: processor, usable cores, memory in bytes, and the GPU used (None without)."""

    cpu: str
    cores: int
    ram_bytes: int
    gpu: str | None


@dataclass(frozen=True)
class Timing:
    """When and how long.

    Attributes:
        started: Start of the test, ISO 8601 in UTC.
        finished: End of the test.
        test_seconds: Wall-clock seconds of the test loop, loading included, metrics not.
        metrics_seconds: Seconds to compute the metrics.
        seconds_per_cloud: Mean seconds of a test step per cloud, loading not included.
    """

    started: str
    finished: str
    test_seconds: float
    metrics_seconds: float
    seconds_per_cloud: float | None


@dataclass(frozen=True)
class Metrics:
    """The numbers; keys are `METRIC_NAMES`, None means that the metric does not exist.

    Attributes:
        mean: Mean over the categories that have the metric.
        mean_over: Over how many categories each mean goes.
        pooled: All clouds (and points) of all categories in one ranking.
        per_category: One set of values for each category.
        floors: What a scorer without knowledge gets, keyed by category, plus "mean" and "pooled".
        notes: Why values are absent, and other things a reader must know.
        settings: The parameters of the metrics themselves (radius factor, limit).
    """

    mean: MetricValues
    mean_over: dict[str, int]
    pooled: MetricValues
    per_category: dict[str, MetricValues]
    floors: dict[str, MetricValues]
    notes: list[str] = field(default_factory=list)
    settings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ObjectScore:
    """One test cloud: path relative to the data root, category, truth (None unknown), raw score."""

    path: str
    category: str
    label: bool | None
    score: float | None


@dataclass(frozen=True)
class RunResult:
    """One test run.

    Attributes:
        versions: The software.
        seed: The run's seed; None when no seed was set.
        model: The model and its hyper-parameters.
        data: The dataset and its arguments.
        config_hash: SHA-256 of the canonical JSON of model, data and seed
            (:func:`plane_anomalib.core.provenance.config_hash` says what is left out).
        data_counts: Counts for each category.
        data_hash: SHA-256 over the files (:func:`plane_anomalib.core.provenance.data_hash`).
        weights_hash: SHA-256 over the state dict.
        hardware: The machine.
        timing: When and how long.
        peak_memory_bytes: Largest resident memory of the process so far.
        peak_gpu_memory_bytes: Largest GPU memory held by tensors; None without a GPU.
        metrics: The numbers.
        objects: Every test cloud's score.
        schema_version: Version of this schema.
    """

    versions: Versions
    seed: int | None
    model: Component
    data: Component
    config_hash: str
    data_counts: dict[str, CategoryCounts]
    data_hash: str | None
    weights_hash: str
    hardware: Hardware
    timing: Timing
    peak_memory_bytes: int
    peak_gpu_memory_bytes: int | None
    metrics: Metrics
    objects: list[ObjectScore]
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """The result as strict, sorted, indented JSON."""
        return strict_json(self, indent=2)

    @classmethod
    def from_json(cls, text: str, source: str = "results") -> RunResult:
        """Read a result back.

        Args:
            text: What :meth:`to_json` gave.
            source: The file's name, for the error.

        Raises:
            ResultsError: Not JSON, of another schema version, or with fields missing or of a
                wrong type.
        """
        return parse_versioned(
            cls,
            text,
            source,
            field="schema_version",
            version=SCHEMA_VERSION,
            error=ResultsError,
            redo="run the test again",
        )


def write_metrics_json(run_dir: str | Path, result: RunResult) -> Path:
    """Write `metrics.json` into the run directory, whole or not at all.

    anomalib tests into the newest run's directory, whatever is tested: a `metrics.json` of other
    arguments, data or weights is kept there, as `metrics.<when it was written>.json`.

    Args:
        run_dir: The run directory, made if missing (`trainer.default_root_dir`).
        result: What to write.

    Returns:
        The file.
    """
    target = Path(run_dir) / METRICS_FILE
    if target.exists() and not _is_of_same_run(target, result):
        written = datetime.fromtimestamp(target.stat().st_mtime, UTC)
        target.replace(target.with_name(f"metrics.{written:%Y%m%dT%H%M%S.%f}Z.json"))
    with replaced(target) as temporary:
        temporary.write_text(result.to_json() + "\n", encoding="utf-8")
    return target


def _is_of_same_run(file: Path, result: RunResult) -> bool:
    try:
        before = read_metrics_json(file)
    except ResultsError:
        return False
    names = ("config_hash", "data_hash", "weights_hash")
    return all(getattr(before, name) == getattr(result, name) for name in names)


def read_metrics_json(path: str | Path) -> RunResult:
    """Read a `metrics.json`, given the file or its run directory.

    Raises:
        ResultsError: The file is missing, damaged or of another schema version.
    """
    file = Path(path)
    file = file / METRICS_FILE if file.is_dir() else file
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{file}: cannot be read ({error}).") from error
    return RunResult.from_json(text, source=str(file))


def render_table(result: RunResult) -> str:
    """The metrics as a Markdown table, readable as plain text too.

    One row per category, then the mean and the pooled values, then what chance gives ("floor");
    an absent value is "-". The notes follow the table.

    Args:
        result: The run.

    Returns:
        Several lines, without a newline at the end.
    """
    metrics = result.metrics
    rows = [("category", list(METRIC_NAMES))]
    rows += [(name, _cells(values)) for name, values in metrics.per_category.items()]
    rows.append((f"mean of {len(metrics.per_category)}", _cells(metrics.mean)))
    rows.append(("pooled", _cells(metrics.pooled)))
    if "mean" in metrics.floors:
        rows.append(("floor of the mean", _cells(metrics.floors["mean"])))
    first = max(len(name) for name, _ in rows)
    widths = [max(len(cells[i]) for _, cells in rows) for i in range(len(METRIC_NAMES))]
    lines = [
        f"| {name:<{first}} | "
        + " | ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        + " |"
        for name, cells in rows
    ]
    ruler = f"|{'-' * (first + 2)}|" + "".join(f"{'-' * (width + 1)}:|" for width in widths)
    return "\n".join([lines[0], ruler, *lines[1:], *_footer(metrics)])


def _cells(values: MetricValues) -> list[str]:
    return ["-" if (v := values.get(name)) is None else f"{v:.4f}" for name in METRIC_NAMES]


def _footer(metrics: Metrics) -> list[str]:
    """Which means go over fewer categories than there are, and the notes."""
    total = len(metrics.per_category)
    partial = [f"{name} {n}" for name, n in metrics.mean_over.items() if n < total]
    lines = [f"Means over fewer than {total} categories: {', '.join(partial)}."] if partial else []
    lines += metrics.notes
    return ["", *(f"- {line}" for line in lines)] if lines else []
