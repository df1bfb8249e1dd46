"""The pool of base shapes that a run draws its clouds from.

Workers import this module, so nothing of it imports torch but what hands the pool out.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.cores import usable_cores
from plane_anomalib.core.errors import ConfigurationError, DatasetError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from plane_anomalib.pretraining.config import PoolConfig

logger = logging.getLogger(__name__)
_TRIES = 4

Array = NDArray[np.float32]


@dataclass(frozen=True)
class ShapeSource:
    """Where a base shape comes from.

    Args:
        family: A procedural family, or the name of the user's own shape.
        file: The user's file, if it is one.
    """

    family: str
    file: Path | None = None


@dataclass(frozen=True)
class DrawingTask:
    """A run of consecutive shapes for one worker.

    Args:
        folder: Where `points.npy` and `normals.npy` lie, (S, N, 3) float16 each.
        sources: Of these shapes.
        first: Index of the first of them.
        seed: Of the pool: shape i depends on this seed and i only, whoever draws it.
    """

    folder: Path
    sources: tuple[ShapeSource, ...]
    first: int
    seed: tuple[int, ...]


def draw(task: DrawingTask) -> list[tuple[str, str, str]]:
    """Draw the shapes of a task into the pool's files.

    Args:
        task: Which.

    Returns:
        Name, caption and family of each.

    Raises:
        DatasetError: A family gave something else than a shape.
    """
    points = np.load(task.folder / "points.npy", mmap_mode="r+")
    normals = np.load(task.folder / "normals.npy", mmap_mode="r+")
    words = []
    for index, source in enumerate(task.sources, task.first):
        generator = np.random.default_rng([*task.seed, index])
        drawn = _tried(source, generator, points.shape[1])
        # Any run of points of a pooled shape must be a fair sample of it.
        order = generator.permutation(points.shape[1])
        points[index], normals[index] = drawn[0][order], drawn[1][order]
        words.append((drawn[2], drawn[3], source.family))
    # Not flushed: processes share the pages, and waiting for the disk is for nothing.
    return words


def _tried(
    source: ShapeSource, generator: np.random.Generator, num: int
) -> tuple[Array, Array, str, str]:
    """Draw again where a family's parameters came to nothing: one in many thousands may."""
    for _ in range(_TRIES - 1):
        try:
            return _draw(source, generator, num)
        except (ConfigurationError, ValueError, ArithmeticError, IndexError) as error:
            logger.warning("%s: %s It is drawn again.", source.family, error)
    return _draw(source, generator, num)


def _draw(
    source: ShapeSource, generator: np.random.Generator, num: int
) -> tuple[Array, Array, str, str]:
    if source.file is not None:
        return _own(source, source.file, generator, num)
    from plane_anomalib.generation.shapes.catalogue import draw_specimen

    shape = draw_specimen(source.family, generator, num)
    for array in (shape.points, shape.normals):
        if array.shape != (num, 3) or not np.isfinite(array).all():
            raise DatasetError(
                f'The shape family "{source.family}" gave an array of shape {array.shape} or '
                f"numbers that are not finite instead of ({num}, 3) finite ones."
            )
    return shape.points, shape.normals, shape.name, shape.caption


def _own(
    source: ShapeSource, file: Path, generator: np.random.Generator, num: int
) -> tuple[Array, Array, str, str]:
    from plane_anomalib.formats.io import read_points
    from plane_anomalib.geometry.normals import point_normals
    from plane_anomalib.geometry.points import unit_sphere
    from plane_anomalib.geometry.sampling import random_subsample

    cloud = read_points(file, num_samples=num, seed=int(generator.integers(2**31))).points
    cloud = unit_sphere(cloud[random_subsample(len(cloud), num, generator)]).points
    normals = point_normals(cloud)
    return cloud, normals, source.family, source.family


def own_sources(folder: Path) -> list[ShapeSource]:
    """The user's meshes and clouds below a folder.

    A file is called as its folder, or by its own name where it lies in `folder` itself; digits and
    underscores are left out ("bowl0" is a bowl).

    Args:
        folder: The folder.

    Raises:
        ConfigurationError: There is no such folder, or nothing in it.
    """
    from plane_anomalib.formats.io import MESH_SUFFIXES, POINT_SUFFIXES

    known = POINT_SUFFIXES | MESH_SUFFIXES
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in known)
    if not files:
        raise ConfigurationError(
            f"pool.folder: {folder} is no folder with meshes or clouds "
            f"({', '.join(sorted(known))})."
        )
    return [ShapeSource(_noun(f.stem if f.parent == folder else f.parent.name), f) for f in files]


def _noun(text: str) -> str:
    words = re.sub(r"[\d_\-.]+", " ", text).split()
    return " ".join(words).lower() or "object"


def spread(
    families: Sequence[str], own: Sequence[ShapeSource], shapes: int, share: float
) -> list[ShapeSource]:
    """The source of each shape of a pool: families in turn, the user's shapes among them.

    Args:
        families: Procedural families.
        own: The user's shapes.
        shapes: How many in all.
        share: Share of the user's shapes, if there are any.
    """
    sources = [ShapeSource(families[i % len(families)]) for i in range(shapes)]
    count = round(share * shapes) if own else 0
    for turn in range(count):
        sources[turn * shapes // count] = own[turn % len(own)]
    return sources


_PER_TASK = 32


@dataclass(frozen=True)
class ShapePool:
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

    def to(self, device: torch.device) -> ShapePool:
        """The same on a device."""
        return replace(self, points=self.points.to(device), normals=self.normals.to(device))


def training_families() -> list[str]:
    """Procedural families that are trained on."""
    from plane_anomalib.generation.shapes.catalogue import FAMILIES, HELD_OUT

    return [family for family in FAMILIES if family not in set(HELD_OUT)]


def training_pool(config: PoolConfig, seed: int) -> ShapePool:
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
    sources: Sequence[ShapeSource],
    points: int,
    seed: tuple[int, ...],
    workers: int = 0,
    cache: str | None = None,
) -> ShapePool:
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


def _key(sources: Sequence[ShapeSource], points: int, seed: tuple[int, ...]) -> str:
    text = json.dumps([[s.family, str(s.file or "")] for s in sources] + [points, *seed])
    return hashlib.sha256(text.encode()).hexdigest()


def _fill(
    folder: Path, sources: Sequence[ShapeSource], points: int, seed: tuple[int, ...], workers: int
) -> None:
    shape = (len(sources), points, 3)
    for name in ("points.npy", "normals.npy"):
        np.lib.format.open_memmap(folder / name, mode="w+", dtype=np.float16, shape=shape).flush()
    tasks = [
        DrawingTask(folder, tuple(sources[first : first + _PER_TASK]), first, seed)
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

    def __call__(self, tasks: Sequence[DrawingTask]) -> Iterator[list[tuple[str, str, str]]]:
        return map(draw, tasks) if self.pool is None else self.pool.map(draw, tasks)


def _read(folder: Path) -> ShapePool:
    import torch

    words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    arrays = [torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("points", "normals")]
    names, captions, families = (list(column) for column in zip(*words, strict=True))
    return ShapePool(arrays[0], arrays[1], names, captions, families)
