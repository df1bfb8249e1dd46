"""Write the procedural dataset in Anomaly-ShapeNet's layout, category by category.

`<root>/manifest.json` says how the files were made. A root with another manifest is never touched:
the data go to a folder beside it that carries the specification's hash.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, DatasetError
from plane_anomalib.formats.io import write_points
from plane_anomalib.generation.defects.field_defects import (
    of_usual_share,
    plan_defect,
)
from plane_anomalib.generation.defects.kinds import KINDS, SHAPENET_KINDS
from plane_anomalib.generation.folders import claim, in_place, manifest_in
from plane_anomalib.generation.shapes.fields import Array
from plane_anomalib.generation.shapes.nominal_objects import NOMINAL_OBJECTS, REACH
from plane_anomalib.generation.surfaces import Surface

logger = logging.getLogger(__name__)

GENERATOR_VERSION = 1
"""Raised whenever the same specification would give other files."""
NUM_TEMPLATES = 4
FEWEST_POINTS = 1000


@dataclass(frozen=True)
class ProceduralSpec:
    """Everything that decides the files' bytes.

    Attributes:
        seed: Of the shapes' variation, the samples and the defects.
        num_points: Mean number of points of a cloud; each cloud has 0.8 to 1.2 times as many.
        num_good: Good test clouds per category.
        num_per_defect: Test clouds per category and kind of defect.
        variation: Standard deviation of each cloud's scale along each axis (0.002: 0.2 %).
        noise: Standard deviation of the sensor noise, in extents.

    Raises:
        ConfigurationError: A value cannot work.
    """

    seed: int
    num_points: int
    num_good: int
    num_per_defect: int
    variation: float
    noise: float

    def __post_init__(self) -> None:
        lowest = {"seed": 0, "num_points": FEWEST_POINTS, "num_good": 1, "num_per_defect": 1}
        for name, low in lowest.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                msg = f"{name} must be a whole number of at least {low}, not {value!r}."
                raise ConfigurationError(msg)
        for name in ("variation", "noise"):
            if not 0 <= getattr(self, name) <= 0.02:
                msg = f"{name} must be between 0 and 0.02, not {getattr(self, name)!r}."
                raise ConfigurationError(msg)

    def manifest(self) -> dict[str, object]:
        """What the root's manifest says."""
        return {"generator": "procedural_shapes", "version": GENERATOR_VERSION, **asdict(self)}

    def digest(self) -> str:
        """Ten hexadecimal digits of the manifest's hash."""
        text = json.dumps(self.manifest(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]


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


def finished_categories(root: Path, spec: ProceduralSpec) -> list[str]:
    """The categories that are there already, with this specification; nothing is made.

    Args:
        root: As in `ensure_dataset`.
        spec: How the dataset should be made.
    """
    for home in (root, _beside(root, spec)):
        if manifest_in(home) == spec.manifest():
            return [name for name in NOMINAL_OBJECTS if (home / name).is_dir()]
    return []


def _beside(root: Path, spec: ProceduralSpec) -> Path:
    return root.with_name(f"{root.name}-{spec.digest()}")


def _claim(root: Path, spec: ProceduralSpec) -> Path:
    """The folder for a specification, with its manifest in place."""
    beside = _beside(root, spec)
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
