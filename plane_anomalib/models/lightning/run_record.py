"""Assemble the record of a test run from what the trainer, the model and the datamodule know."""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from plane_anomalib.core import provenance
from plane_anomalib.core.results import Component, Metrics, ObjectScore, RunResult, Timing, Versions
from plane_anomalib.metrics.collection import ScoreCollection
from plane_anomalib.metrics.summary import count_categories


def describe_run(
    collection: ScoreCollection,
    metrics: Metrics,
    timing: Timing,
    versions: Versions,
    model: Any,
    datamodule: Any,
) -> RunResult:
    """The full, serialisable record of a run.

    Args:
        collection: All test clouds.
        metrics: Their metrics.
        timing: When and how long.
        versions: Of the code that ran.
        model: The LightningModule.
        datamodule: The datamodule; None when bare loaders were tested.
    """
    described_model, described_data = _described(model), _described(datamodule)
    seed = _seed(described_model, described_data)
    tables = _sample_tables(datamodule)
    files = _data_files(tables.values(), [cloud.path for cloud in collection.clouds])
    root = _common_root(files, getattr(datamodule, "root", None))
    device = torch.device(getattr(model, "device", "cpu"))
    return RunResult(
        versions=versions,
        seed=seed,
        model=described_model,
        data=described_data,
        config_hash=provenance.config_hash(described_model, described_data, seed),
        data_counts=count_categories(collection, _train_clouds(tables.get("train_data"))),
        data_hash=provenance.data_hash(files, root),
        weights_hash=provenance.weights_hash(model.state_dict()),
        hardware=provenance.hardware(device),
        timing=timing,
        peak_memory_bytes=provenance.peak_memory_bytes(),
        peak_gpu_memory_bytes=_peak_gpu_memory(device),
        metrics=metrics,
        objects=_object_scores(collection, root),
    )


def _described(instance: Any) -> Component:
    if instance is None:
        return Component(provenance.UNKNOWN)
    return provenance.component(instance, _arguments(instance))


def _peak_gpu_memory(device: torch.device) -> int | None:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def _object_scores(collection: ScoreCollection, root: Path) -> list[ObjectScore]:
    return [
        ObjectScore(
            path=provenance.relative_path(cloud.path, root),
            category=cloud.category,
            label=cloud.label,
            score=cloud.score,
        )
        for cloud in collection.clouds
    ]


def utc_now() -> str:
    """This moment as ISO 8601 text in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _arguments(instance: Any) -> Mapping[str, Any]:
    """Saved hyper-parameters, else the attributes named like the constructor's arguments."""
    saved = dict(getattr(instance, "hparams", None) or {})
    if saved:
        return saved
    names = inspect.signature(type(instance).__init__).parameters
    values = {name: getattr(instance, name, None) for name in names if name != "self"}
    return {name: value for name, value in values.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(_is_plain(item) for item in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return all(_is_plain(item) for item in value)
    return isinstance(value, str | int | float | bool | Path) and value is not None


def _seed(model: Component, data: Component) -> int | None:
    """The model's seed, else the data's, else the one Lightning was given."""
    for described in (model, data):
        seed = described.arguments.get("seed")
        if isinstance(seed, int):
            return seed
    from_environment = os.environ.get("PL_GLOBAL_SEED", "")
    return int(from_environment) if from_environment.isdecimal() else None


def _sample_tables(datamodule: Any) -> dict[str, Any]:
    """The tables of samples of the train and test sets, where the datamodule has them."""
    tables = {}
    for name in ("train_data", "test_data"):
        samples = getattr(getattr(datamodule, name, None), "samples", None)
        if samples is not None and hasattr(samples, "columns") and "image_path" in samples:
            tables[name] = samples
    return tables


def _train_clouds(samples: Any) -> dict[str, int] | None:
    if samples is None or "category" not in samples:
        return None
    return dict(Counter(str(name) for name in samples["category"]))


def _data_files(tables: Iterable[Any], tested: Iterable[str]) -> list[Path]:
    """Every existing file of the run's data: clouds and ground truth."""
    names = {str(path) for path in tested if path}
    for samples in tables:
        for column in ("image_path", "mask_path", "label_path"):
            if column in samples:
                names.update(value for value in samples[column] if isinstance(value, str) and value)
    return [path for name in sorted(names) if (path := Path(name)).is_file()]


def _common_root(files: list[Path], root: Any) -> Path:
    """The datamodule's root if the files lie there, else the deepest folder they share."""
    resolved = [file.resolve() for file in files]
    if root is not None:
        base = Path(root).resolve()
        if all(file.is_relative_to(base) for file in resolved):
            return base
    if not resolved:
        return Path()
    return Path(os.path.commonpath([file.parent for file in resolved]))
