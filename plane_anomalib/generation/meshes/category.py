"""One category of a benchmark: templates, good tests and defective ones from one mesh."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.formats.io import write_points
from plane_anomalib.generation.meshes.reading import ClosedMesh
from plane_anomalib.generation.meshes.specification import MeshSpec
from plane_anomalib.generation.meshes.specimen import Deviation, scanned
from plane_anomalib.generation.meshes.surface import MeshSurface
from plane_anomalib.generation.meshes.views import random_pose, seen, view_of
from plane_anomalib.generation.procedural.defects import DEFECTS, of_usual_share, plan_defect
from plane_anomalib.generation.procedural.fields import Array
from plane_anomalib.generation.procedural.placing import MANIFEST
from plane_anomalib.generation.procedural.planning import NoPlaceError
from plane_anomalib.generation.procedural.surface import Patch
from plane_anomalib.generation.procedural.writing import stream

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
                self.spec.defect_size * DEFECTS[defect].median_share,
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
        patch: Patch | None = None
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
        share = float(seen(self.surface, None, self.surface.pool.points, toward).mean())
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
