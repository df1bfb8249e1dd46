"""Write the procedural dataset in Anomaly-ShapeNet's layout, category by category.

`<root>/manifest.json` says how the files were made. A root with another manifest is never touched:
the data go to a folder beside it that carries the specification's hash.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import DatasetError
from plane_anomalib.formats.writer import write_points
from plane_anomalib.generation.defects.field_defects import (
    of_usual_share,
    plan_defect,
)
from plane_anomalib.generation.defects.profiles import KINDS
from plane_anomalib.generation.manifests import SHAPENET_KINDS, ProceduralSpec, claim, in_place
from plane_anomalib.generation.shapes.fields import Array
from plane_anomalib.generation.shapes.nominal_objects import NOMINAL_OBJECTS, REACH
from plane_anomalib.generation.surfaces import Surface

logger = logging.getLogger(__name__)

NUM_TEMPLATES = 4


def ensure_dataset(root: Path, spec: ProceduralSpec, categories: Iterable[str]) -> Path:
    """Make what is missing of the dataset; several processes may do so at once.

    Args:
        root: Where the dataset should be.
        spec: How it should be made.
        categories: Keys of `NOMINAL_OBJECTS`.

    Returns:
        The folder that holds it: the root, or its neighbour named by the specification's hash if
        the root holds something else.

    Raises:
        DatasetError: The folder cannot be used.
    """
    home = _claim(root, spec)
    missing = [name for name in categories if not (home / name).is_dir()]
    if missing:
        logger.info("Making %d procedural categories in %s.", len(missing), home)
    for name in missing:
        with in_place(home, name) as made:
            _write_category(made, name, spec)
    return home


def _claim(root: Path, spec: ProceduralSpec) -> Path:
    """The folder for a specification, with its manifest in place."""
    beside = spec.beside(root)
    for home in (root, beside):
        if claim(home, spec.manifest()):
            return home
        if home == root:
            logger.warning(
                "%s holds data made otherwise; %s is used instead. Remove the former, or give "
                "another root, to be rid of this.",
                *(root, beside),
            )
    msg = f"{beside} holds something else than its name says; remove it or give another root."
    raise DatasetError(msg)


def _write_category(folder: Path, name: str, spec: ProceduralSpec) -> None:
    """Write `train`, `test` and `GT` of one category."""
    surface = Surface(NOMINAL_OBJECTS[name](), REACH, _generator(spec, name, "surface"))
    for k in range(NUM_TEMPLATES):
        stem = f"{name}_template{k}"
        write_points(folder / "train" / f"{stem}.pcd", _good_cloud(surface, spec, name, stem))
    for k in range(spec.num_good):
        stem = f"{name}_positive{k}"
        write_points(folder / "test" / f"{stem}.pcd", _good_cloud(surface, spec, name, stem))
    for named, kind in SHAPENET_KINDS.items():
        for k in range(spec.num_per_defect):
            stem = f"{name}_{named}{k}"
            generator = _generator(spec, name, stem)
            points, labels = _defective_cloud(surface, kind, spec, generator)
            write_points(folder / "test" / f"{stem}.pcd", points)
            rows = generator.permutation(len(points))
            write_points(folder / "GT" / f"{stem}.txt", points[rows], labels=labels[rows])


def _good_cloud(
    surface: Surface, spec: ProceduralSpec, name: str, stem: str
) -> NDArray[np.float32]:
    generator = _generator(spec, name, stem)
    points, _ = surface.sample(_density(surface, spec, generator), generator)
    return _measured(points, spec, generator)


def _defective_cloud(
    surface: Surface, kind: str, spec: ProceduralSpec, generator: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A cloud of the kind's usual share of anomalous points."""

    def attempt() -> tuple[Array, NDArray[np.bool_]]:
        patch = plan_defect(kind, surface, generator)
        return surface.sample(_density(surface, spec, generator), generator, patch)

    points, labels = of_usual_share(
        KINDS[kind].usual_share, attempt, lambda cloud: float(cloud[1].mean())
    )
    return _measured(points, spec, generator), labels


def _measured(
    points: Array, spec: ProceduralSpec, generator: np.random.Generator
) -> NDArray[np.float32]:
    """The specimen's small deviation of scale, then the sensor's noise."""
    scale = 1.0 + spec.variation * np.clip(generator.normal(size=3), -1.5, 1.5)
    return (points * scale + generator.normal(0.0, spec.noise, points.shape)).astype(np.float32)


def _density(surface: Surface, spec: ProceduralSpec, generator: np.random.Generator) -> float:
    return float(spec.num_points * generator.uniform(0.8, 1.2) / surface.area)


def _generator(spec: ProceduralSpec, *names: str) -> np.random.Generator:
    return stream(spec.seed, *names)


def stream(seed: int, *names: str) -> np.random.Generator:
    """A stream of its own for every cloud, so that a category does not depend on the others.

    Args:
        seed: The data's.
        *names: Of the category and the cloud.
    """
    return np.random.default_rng([seed, *(zlib.crc32(n.encode()) for n in names)])
