"""Draws base shapes into files, in worker processes; imports neither torch nor anomalib."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, DatasetError

logger = logging.getLogger(__name__)
_TRIES = 4

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """Where a base shape comes from.

    Args:
        family: A procedural family, or the name of the user's own shape.
        file: The user's file, if it is one.
    """

    family: str
    file: Path | None = None


@dataclass(frozen=True)
class Task:
    """A run of consecutive shapes for one worker.

    Args:
        folder: Where `points.npy` and `normals.npy` lie, (S, N, 3) float16 each.
        sources: Of these shapes.
        first: Index of the first of them.
        seed: Of the pool: shape i depends on this seed and i only, whoever draws it.
    """

    folder: Path
    sources: tuple[Source, ...]
    first: int
    seed: tuple[int, ...]


def draw(task: Task) -> list[tuple[str, str, str]]:
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
    source: Source, generator: np.random.Generator, num: int
) -> tuple[Array, Array, str, str]:
    """Draw again where a family's parameters came to nothing: one in many thousands may."""
    for _ in range(_TRIES - 1):
        try:
            return _draw(source, generator, num)
        except (ConfigurationError, ValueError, ArithmeticError, IndexError) as error:
            logger.warning("%s: %s It is drawn again.", source.family, error)
    return _draw(source, generator, num)


def _draw(
    source: Source, generator: np.random.Generator, num: int
) -> tuple[Array, Array, str, str]:
    if source.file is not None:
        return _own(source, source.file, generator, num)
    from plane_anomalib.generation.shapes import draw_shape

    shape = draw_shape(source.family, generator, num)
    for array in (shape.points, shape.normals):
        if array.shape != (num, 3) or not np.isfinite(array).all():
            raise DatasetError(
                f'The shape family "{source.family}" gave an array of shape {array.shape} or '
                f"numbers that are not finite instead of ({num}, 3) finite ones."
            )
    return shape.points, shape.normals, shape.name, shape.caption


def _own(
    source: Source, file: Path, generator: np.random.Generator, num: int
) -> tuple[Array, Array, str, str]:
    from plane_anomalib.formats.io import read_points
    from plane_anomalib.geometry.normals import point_normals
    from plane_anomalib.geometry.points import unit_sphere
    from plane_anomalib.geometry.sampling import random_subsample

    cloud = read_points(file, num_samples=num, seed=int(generator.integers(2**31))).points
    cloud = unit_sphere(cloud[random_subsample(len(cloud), num, generator)]).points
    normals = point_normals(cloud)
    return cloud, normals, source.family, source.family


def own_sources(folder: Path) -> list[Source]:
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
    return [Source(_noun(f.stem if f.parent == folder else f.parent.name), f) for f in files]


def _noun(text: str) -> str:
    words = re.sub(r"[\d_\-.]+", " ", text).split()
    return " ".join(words).lower() or "object"


def spread(
    families: Sequence[str], own: Sequence[Source], shapes: int, share: float
) -> list[Source]:
    """The source of each shape of a pool: families in turn, the user's shapes among them.

    Args:
        families: Procedural families.
        own: The user's shapes.
        shapes: How many in all.
        share: Share of the user's shapes, if there are any.
    """
    sources = [Source(families[i % len(families)]) for i in range(shapes)]
    count = round(share * shapes) if own else 0
    for turn in range(count):
        sources[turn * shapes // count] = own[turn % len(own)]
    return sources
