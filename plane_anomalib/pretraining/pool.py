"""The pool of base shapes that a run draws its clouds from."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from plane_anomalib.core.cores import usable_cores
from plane_anomalib.pretraining.config import PoolConfig
from plane_anomalib.pretraining.drawing import Source, Task, draw, own_sources, spread

logger = logging.getLogger(__name__)
_PER_TASK = 32


@dataclass(frozen=True)
class Pool:
    """Base shapes: clean, dense, in their own pose.

    Args:
        points: (S, N, 3) float16, in the unit sphere; any run of points is a fair sample.
        normals: (S, N, 3) float16, outward.
        names: A noun phrase for each.
        captions: A description of each.
        families: Where each comes from.
    """

    points: Tensor
    normals: Tensor
    names: list[str]
    captions: list[str]
    families: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device) -> Pool:
        """The same on a device."""
        return replace(self, points=self.points.to(device), normals=self.normals.to(device))


def training_families() -> list[str]:
    """Procedural families that are trained on."""
    from plane_anomalib.generation.shapes import FAMILIES, HELD_OUT

    return [family for family in FAMILIES if family not in set(HELD_OUT)]


def training_pool(config: PoolConfig, seed: int) -> Pool:
    """Make the pool of a run, or read it where it is cached.

    Args:
        config: Its size.
        seed: Of the run.

    Raises:
        ConfigurationError: The user's folder cannot be used.
    """
    own = own_sources(Path(config.folder).expanduser()) if config.folder else []
    sources = spread(training_families(), own, config.shapes, config.own_share)
    return make_pool(sources, config.points, (seed, 0), config.workers, config.cache)


def make_pool(
    sources: Sequence[Source],
    points: int,
    seed: tuple[int, ...],
    workers: int = 0,
    cache: str | None = None,
) -> Pool:
    """Draw shapes in worker processes; the result does not depend on how many there are.

    Args:
        sources: Of each shape.
        points: Points per shape.
        seed: Of the pool.
        workers: Processes; 0 for as many as there are cores, 1 for none but this one.
        cache: Folder to keep it in, and to read it from if it holds this very pool.
    """
    key = _key(sources, points, seed)
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="plane-anomalib-pool-") as folder:
            _fill(Path(folder), sources, points, seed, workers)
            return _read(Path(folder))
    final = Path(cache).expanduser() / key[:16]
    if not (final / "words.json").is_file():
        final.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(dir=final.parent)
        try:
            _fill(Path(folder), sources, points, seed, workers)
            shutil.rmtree(final, ignore_errors=True)
            os.replace(folder, final)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return _read(final)


def _key(sources: Sequence[Source], points: int, seed: tuple[int, ...]) -> str:
    text = json.dumps([[s.family, str(s.file or "")] for s in sources] + [points, *seed])
    return hashlib.sha256(text.encode()).hexdigest()


def _fill(
    folder: Path, sources: Sequence[Source], points: int, seed: tuple[int, ...], workers: int
) -> None:
    shape = (len(sources), points, 3)
    for name in ("points.npy", "normals.npy"):
        np.lib.format.open_memmap(folder / name, mode="w+", dtype=np.float16, shape=shape).flush()
    tasks = [
        Task(folder, tuple(sources[first : first + _PER_TASK]), first, seed)
        for first in range(0, len(sources), _PER_TASK)
    ]
    words: list[tuple[str, str, str]] = []
    began = last = time.monotonic()
    with _mapper(min(workers or usable_cores(), len(tasks))) as mapped:
        for part in mapped(tasks):
            words += part
            if time.monotonic() - last > 10:
                last = time.monotonic()
                logger.info("%d of %d shapes drawn", len(words), len(sources))
    logger.info("%d shapes drawn in %.0f s", len(words), time.monotonic() - began)
    (folder / "words.json").write_text(json.dumps(words), encoding="utf-8")


@contextmanager
def _mapper(workers: int) -> Iterator[_Map]:
    if workers <= 1:
        yield _Map(None)
        return
    # A fresh process, since a fork inherits torch's threads in an unusable state. Numpy's own
    # threads would only get into each other's way.
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    before = {name: os.environ.get(name) for name in limits}
    os.environ.update(limits)
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            yield _Map(pool)
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@dataclass(frozen=True)
class _Map:
    pool: ProcessPoolExecutor | None

    def __call__(self, tasks: Sequence[Task]) -> Iterator[list[tuple[str, str, str]]]:
        return map(draw, tasks) if self.pool is None else self.pool.map(draw, tasks)


def _read(folder: Path) -> Pool:
    words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    arrays = [torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("points", "normals")]
    names, captions, families = (list(column) for column in zip(*words, strict=True))
    return Pool(arrays[0], arrays[1], names, captions, families)
