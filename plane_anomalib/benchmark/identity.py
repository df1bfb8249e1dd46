"""What makes two jobs the same job, on whichever machine: configuration, code, data, weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from plane_anomalib.backbones.weights.catalogue import CATALOGUE, WEIGHT_SUFFIXES
from plane_anomalib.backbones.weights.store import (
    builtin_path,
    converted_path,
    missing,
    pin_of,
    usable_path,
)
from plane_anomalib.benchmark.code_digest import code_digest
from plane_anomalib.benchmark.schema import Identity, Job
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.files import sha256_of
from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.core.results import Component
from plane_anomalib.core.typed_data import strict_json

_ID_DIGITS = 20
# Where data lie, how fast they are read and what is drawn change no number.
_WITHOUT_EFFECT = frozenset({"root", "num_workers", "visualizer"})


def identify(job: Job, data_hash: str) -> Identity:
    """The hashes of a job.

    Args:
        job: Model and dataset with all of their arguments.
        data_hash: Of the files of its categories.

    Raises:
        WeightsError: Weights that it needs are not on this machine.
    """
    return Identity(
        config=_config_hash(job),
        code=_code(job.model.name, job.data.name),
        data=data_hash,
        weights=_weights_hash(job.model),
    )


def job_id(identity: Identity) -> str:
    """Twenty hexadecimal digits of the SHA-256 of the hashes."""
    return hashlib.sha256(strict_json(identity).encode()).hexdigest()[:_ID_DIGITS]


def _config_hash(job: Job) -> str:
    parts = {
        "model": _relevant(job.model),
        "data": _relevant(job.data),
        "categories": job.categories,
        "scope": job.scope,
        "seed": job.seed,
    }
    return hashlib.sha256(strict_json(parts).encode()).hexdigest()


def _relevant(component: Component) -> dict[str, Any]:
    kept = {k: v for k, v in component.arguments.items() if k not in _WITHOUT_EFFECT}
    # A file of weights counts by what is in it, not by where it lies.
    plain = {k: "file" if _is_weights_file(v) else v for k, v in kept.items()}
    return {"name": component.name, "arguments": plain}


@lru_cache(maxsize=256)
def _code(model: str, dataset: str) -> str:
    return code_digest(MODELS.entry(model), DATASETS.entry(dataset))


def _weights_hash(model: Component) -> str | None:
    hashes = {
        f"{argument}\0{part}\0{content}\n"
        for argument, value in model.arguments.items()
        for part, content in enumerate(_weights(value))
    }
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest() if hashes else None


def _weights(value: Any) -> Iterator[str]:
    """Hash of every file that an argument of this value makes a model read.

    A word is taken to mean weights where weights of that name are known, in whichever argument: of
    a plugin's arguments nothing else is known.
    """
    if not isinstance(value, str):
        return
    if value == "builtin":
        yield _content(builtin_path())
    elif value in CATALOGUE:
        entry = CATALOGUE[value]
        path = usable_path(entry)
        if path is None:
            raise missing(entry)
        pin = pin_of(entry)
        yield (pin.converted_sha256 if pin else "") or _content(path)
        text = CATALOGUE[entry.text_entry] if entry.text_entry else None
        if text is not None and converted_path(text).is_file():
            yield _content(converted_path(text))
    elif _is_weights_file(value):
        yield _content(Path(value).expanduser())


def _is_weights_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).suffix in WEIGHT_SUFFIXES


def _content(path: Path) -> str:
    if not path.is_file():
        raise WeightsError(f"The weights file {path} does not exist: check the path in the sweep.")
    stat = path.stat()
    return _hashed(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _hashed(path: Path, size: int, time: int) -> str:
    del size, time  # A file that has changed is read again.
    return sha256_of(path)
