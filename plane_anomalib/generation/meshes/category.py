"""What a benchmark made from meshes shall be, how the layouts differ, and one category of it."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.formats.io import write_points
from plane_anomalib.generation.defects.field_defects import (
    of_usual_share,
    plan_defect,
)
from plane_anomalib.generation.defects.field_placement import NoPlaceError
from plane_anomalib.generation.defects.kinds import KINDS, SHAPENET_KINDS
from plane_anomalib.generation.folders import MANIFEST
from plane_anomalib.generation.meshes.closed_mesh import RESOLUTION, ClosedMesh, MeshSurface
from plane_anomalib.generation.procedural_shapes import stream
from plane_anomalib.generation.procedural_spec import FEWEST_POINTS
from plane_anomalib.generation.scans import Deviation, random_pose, scanned, seen, view_of
from plane_anomalib.generation.shapes.fields import Array
from plane_anomalib.generation.surfaces import ChangedRegion

GENERATOR_VERSION = 1
"""Raised whenever the same specification and mesh would give other files."""
_FINEST, _COARSEST = 400, 64
_USUAL = {
    "seed": 0,
    "num_templates": 4,
    "variation": 0.002,
    "noise": 0.0005,
    "outliers": 0.0,
    "defect_size": 1.0,
    "resolution": RESOLUTION,
}


@dataclass(frozen=True)
class Layout:
    """One of the public benchmarks' conventions.

    Attributes:
        kinds: Kind of defect by the name that its files carry, to the key of `KINDS`.
        truth: Folder of the ground truth.
        one_sided: Tests show one side, in any pose; templates are complete.
        extent: Largest side of an object, in the units of the files.
        num_points: Mean number of points of a test cloud.
        template_points: Mean number of points of a template.
        num_good: Good test clouds per category.
        num_per_defect: Test clouds per category and kind of defect.
        delimiter: Between the columns of a ground-truth file.
    """

    kinds: Mapping[str, str]
    truth: str
    one_sided: bool
    extent: float
    num_points: int
    template_points: int
    num_good: int
    num_per_defect: int
    delimiter: str


LAYOUTS = {
    "anomaly-shapenet": Layout(SHAPENET_KINDS, "GT", False, 1.0, 15_000, 15_000, 8, 2, ","),
    "real3d-ad": Layout(
        {"bulge": "bulge", "sink": "concavity"}, "gt", True, 30.0, 20_000, 60_000, 8, 4, " "
    ),
}
"""Layout by name."""


@dataclass(frozen=True)
class MeshSpec:
    """Everything besides the meshes that decides the files' bytes; see `create`.

    Attributes:
        layout: A key of `LAYOUTS`.
        seed: Of the specimens, the samples, the defects and the views.
        num_points: Mean number of points of a test cloud; each has 0.8 to 1.2 times as many.
        template_points: The same for templates.
        num_templates: Templates per category.
        num_good: Good test clouds per category.
        num_per_defect: Test clouds per category and kind of defect.
        variation: Root mean square of each specimen's smooth deviation, in extents.
        noise: Standard deviation of the scanner's noise, in extents.
        outliers: Share of points whose noise is ten times as large.
        defect_size: Share of anomalous points, in terms of the usual one.
        extent: Largest side of the objects in the files' units (Real3D-AD: millimetres).
        resolution: Steps of the distance grid along the largest side.

    Raises:
        ConfigurationError: A value cannot work.
    """

    layout: str
    seed: int
    num_points: int
    template_points: int
    num_templates: int
    num_good: int
    num_per_defect: int
    variation: float
    noise: float
    outliers: float
    defect_size: float
    extent: float
    resolution: int

    @classmethod
    def create(cls, layout: str, **given: float | None) -> MeshSpec:
        """A specification in which everything not given, or None, is as usual for the layout.

        Args:
            layout: A key of `LAYOUTS`.
            **given: Attributes by name.

        Raises:
            ConfigurationError: The layout is unknown, or a value cannot work.
        """
        if layout not in LAYOUTS:
            close = difflib.get_close_matches(layout, LAYOUTS, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            msg = f"layout must be {' or '.join(LAYOUTS)}, not {layout!r}.{hint}"
            raise ConfigurationError(msg)
        usual = {
            name: getattr(LAYOUTS[layout], name)
            for name in ("num_points", "template_points", "num_good", "num_per_defect", "extent")
        }
        values: dict[str, Any] = {**_USUAL, **usual}
        values |= {name: value for name, value in given.items() if value is not None}
        return cls(layout=layout, **values)

    def __post_init__(self) -> None:
        lowest = {"seed": 0, "num_templates": 2, "num_good": 1, "num_per_defect": 1}
        lowest |= {"num_points": FEWEST_POINTS, "template_points": FEWEST_POINTS}
        for name, low in (lowest | {"resolution": _COARSEST}).items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                msg = f"{name} must be a whole number of at least {low}, not {value!r}."
                raise ConfigurationError(msg)
        within: dict[str, tuple[float, float]] = {
            "variation": (0, 0.02),
            "noise": (0, 0.02),
            "outliers": (0, 0.1),
            "defect_size": (0.1, 4),
            "resolution": (0, _FINEST),
        }
        for name, (least, most) in within.items():
            if not least <= getattr(self, name) <= most:
                msg = f"{name} must be between {least} and {most}, not {getattr(self, name)!r}."
                raise ConfigurationError(msg)
        if not (math.isfinite(self.extent) and self.extent > 0):
            msg = f"extent must be a positive length, not {self.extent!r}."
            raise ConfigurationError(msg)

    @property
    def conventions(self) -> Layout:
        """The layout itself."""
        return LAYOUTS[self.layout]

    def manifest(self) -> dict[str, object]:
        """What the root's manifest says."""
        return {"generator": "mesh_benchmark", "version": GENERATOR_VERSION, **asdict(self)}


_SIDE = 0.6
"""Size of a defect for its share of one side to be what is usual for the whole surface."""


@dataclass(frozen=True)
class Shot:
    """Points of a surface, nominal but for the defect, before specimen and scanner.

    Attributes:
        points: `(N, 3)`, in extents.
        labels: `(N,)`, anomalous or not.
    """

    points: Array
    labels: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """Share of anomalous points."""
        return float(self.labels.mean()) if len(self.labels) else 0.0


@dataclass(frozen=True)
class Category:
    """What is made from one mesh.

    Attributes:
        name: Of the category.
        closed: The mesh.
        spec: What is wanted.
        surface: The mesh as a nominal surface.
        clouds: What was made: file in the category's folder to its facts.
        left_out: Kinds of defect that the object has no place for, and why.
    """

    name: str
    closed: ClosedMesh
    spec: MeshSpec
    surface: MeshSurface
    clouds: dict[str, dict[str, object]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, closed: ClosedMesh, spec: MeshSpec) -> Category:
        """Prepare a mesh's surface.

        Args:
            name: Of the category.
            closed: The mesh.
            spec: What is wanted.

        Raises:
            DatasetError: The mesh is no plain solid, or has walls too thin for the grid.
        """
        generator = stream(spec.seed, name, "surface")
        return cls(name, closed, spec, MeshSurface(closed, spec.resolution, generator))

    def write(self, folder: Path) -> None:
        """Write `train`, `test`, the ground truth and `manifest.json`.

        Args:
            folder: The category's.
        """
        for number in range(self.spec.num_templates):
            self._write(folder, "train", "template", number)
        first = self.spec.num_templates
        for number in range(self.spec.num_good):
            self._write(folder, "test", "good", number, first)
        for turn, kind in enumerate(self.spec.conventions.kinds):
            first = self.spec.num_templates + self.spec.num_good + turn * self.spec.num_per_defect
            for number in range(self.spec.num_per_defect):
                try:
                    self._write(folder, "test", kind, number, first)
                except NoPlaceError as error:
                    self.left_out[kind] = str(error)
                    break
        (folder / MANIFEST).write_text(json.dumps(self.manifest(), indent=1) + "\n", "utf-8")

    def manifest(self) -> dict[str, object]:
        """What was made, as plain data."""
        return {
            "category": self.name,
            "mesh": {
                "file": self.closed.file,
                "sha256": self.closed.sha256,
                "triangles": len(self.closed.mesh.faces),
                "extent": self.closed.extent,
            },
            "surface_area_in_extents": self.surface.area,
            "grid_step_in_extents": self.surface.step,
            "clouds": self.clouds,
            "left_out": self.left_out,
        }

    def _stem(self, kind: str, number: int, first: int) -> str:
        if self.spec.conventions.one_sided:
            return f"{first + number}_{kind}"
        return f"{self.name}_{'positive' if kind == 'good' else kind}{number}"

    def _write(self, folder: Path, split: str, kind: str, number: int, first: int = 0) -> None:
        """Draw and write one cloud, with its ground truth if it has a defect."""
        stem = self._stem(kind, number, first)
        generator = stream(self.spec.seed, self.name, stem)
        one_sided = self.spec.conventions.one_sided and split == "test"
        wanted = self.spec.num_points if split == "test" else self.spec.template_points
        density = float(wanted * generator.uniform(0.8, 1.2) / self.surface.area)
        defect = self.spec.conventions.kinds.get(kind)
        if defect is not None:
            shot = of_usual_share(
                self.spec.defect_size * KINDS[defect].usual_share,
                lambda: self._shot(density, defect, one_sided, generator),
                lambda shot: shot.share,
            )
            if not shot.labels.any():
                msg = "no place was found where it would show."
                raise NoPlaceError(msg)
        else:
            shot = self._shot(density, None, one_sided, generator)
        pose = random_pose(self.spec.extent, generator) if one_sided else None
        points = self._measured(shot.points, pose, generator)
        write_points(folder / split / f"{stem}.pcd", points)
        facts: dict[str, object] = {"defect": "good" if kind == "template" else kind}
        facts |= {"points": len(points), "anomalous_share": shot.share}
        if pose is not None:
            facts["object_to_scan"] = pose.tolist()
        if defect is not None:
            rows = generator.permutation(len(points))
            write_points(
                folder / self.spec.conventions.truth / f"{stem}.txt",
                points[rows],
                labels=shot.labels[rows],
                delimiter=self.spec.conventions.delimiter,
            )
        self.clouds[f"{split}/{stem}.pcd"] = facts

    def _shot(
        self, density: float, defect: str | None, one_sided: bool, generator: np.random.Generator
    ) -> Shot:
        """Points of the whole surface, or of the side on which the defect is."""
        patch: ChangedRegion | None = None
        size = self.spec.defect_size * (_SIDE if one_sided else 1.0)
        if defect is not None:
            patch = plan_defect(defect, self.surface, generator, size)
        if not one_sided:
            return Shot(*self.surface.sample(density, generator, patch))
        # A good object is looked at as if it had a defect, lest the view give it away.
        kinds = list(self.spec.conventions.kinds.values())
        other = kinds[generator.integers(len(kinds))]
        shown = patch or plan_defect(other, self.surface, generator, size)
        toward = view_of(self.surface, shown, generator)
        share = float(seen(self.surface, None, self.surface.samples.points, toward).mean())
        points, labels = self.surface.sample(density / max(share, 0.05), generator, patch)
        visible = seen(self.surface, patch, points, toward)
        return Shot(points[visible], labels[visible])

    def _measured(
        self, points: Array, pose: Array | None, generator: np.random.Generator
    ) -> NDArray[np.float32]:
        """A specimen's points as the scanner gives them, in the files' units."""
        specimen = Deviation.draw(self.spec.variation, generator)(points)
        measured = (
            scanned(specimen, self.spec.noise, self.spec.outliers, generator) * self.spec.extent
        )
        if pose is not None:
            measured = measured @ pose[:3, :3].T + pose[:3, 3]
        return measured.astype(np.float32)
