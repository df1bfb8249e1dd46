"""Make a benchmark from a folder of closed meshes, category by category, resumable at any moment.

`<root>/manifest.json` says how everything is made, `<root>/<category>/manifest.json` what was made
from which mesh. A root with another manifest is never touched.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, DatasetError
from plane_anomalib.formats.folders import CATEGORIES_NEW, list_files
from plane_anomalib.formats.io import MESH_SUFFIXES, POINT_SUFFIXES
from plane_anomalib.formats.writer import write_points
from plane_anomalib.generation.closed_mesh import (
    ClosedMesh,
    MeshSurface,
    digest_of,
    read_closed_mesh,
)
from plane_anomalib.generation.defects.field_defects import (
    of_usual_share,
    plan_defect,
)
from plane_anomalib.generation.defects.field_placement import NoPlaceError
from plane_anomalib.generation.defects.profiles import KINDS
from plane_anomalib.generation.manifests import MANIFEST, MeshSpec, claim, in_place, manifest_in
from plane_anomalib.generation.procedural_shapes import stream
from plane_anomalib.generation.scans import Deviation, random_pose, scanned, seen, view_of
from plane_anomalib.generation.shapes.fields import Array
from plane_anomalib.generation.surfaces import ChangedRegion

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
class MeshCategory:
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
    def of(cls, name: str, closed: ClosedMesh, spec: MeshSpec) -> MeshCategory:
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


_RESERVED = frozenset({"train", "test", "gt"})


def make_benchmark(
    meshes: Path,
    root: Path,
    spec: MeshSpec,
    *,
    processes: int = 1,
    report: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Make what is missing of a benchmark.

    Args:
        meshes: Folder of closed meshes; a file's name becomes its category's.
        root: Where the benchmark should be.
        spec: How it should be made.
        processes: Categories to make at once.
        report: Gets a line when a category is done.

    Returns:
        The categories, sorted.

    Raises:
        ConfigurationError: Names clash or cannot be used.
        DatasetError: There is no mesh, a mesh is unfit, or the root holds something else.
        PointCloudFileError: A mesh cannot be read or is open.
    """
    if isinstance(processes, bool) or not isinstance(processes, int) or processes < 1:
        msg = f"processes must be a whole number of at least 1, not {processes!r}."
        raise ConfigurationError(msg)
    named = _named(_mesh_files(meshes), spec)
    if not claim(root, spec.manifest()):
        raise DatasetError(_not_ours(root, spec))
    missing = [(name, file) for name, file in named.items() if not _is_made(root, name, file)]
    kept = len(named) - len(missing)
    if kept:
        report(f"{kept} of {len(named)} categories are there already")
    for line in _make(missing, root, spec, processes):
        report(line)
    return sorted(named)


def _make(
    missing: list[tuple[str, Path]], root: Path, spec: MeshSpec, processes: int
) -> Iterator[str]:
    if processes == 1 or len(missing) < 2:
        for name, file in missing:
            yield _make_category(name, file, root, spec)
        return
    # Spawned, not forked: the caller may have threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(missing)), mp_context=context) as pool:
        running = [pool.submit(_make_category, *job, root, spec) for job in missing]
        try:
            for done in as_completed(running):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_category(name: str, file: Path, root: Path, spec: MeshSpec) -> str:
    started = time.monotonic()
    category = MeshCategory.of(name, read_closed_mesh(file), spec)
    with in_place(root, name) as made:
        category.write(made)
    defective = sum(facts["defect"] != "good" for facts in category.clouds.values())
    good = len(category.clouds) - defective - spec.num_templates
    left = "".join(f"; no {kind}: {why[:-1]}" for kind, why in category.left_out.items())
    return (
        f"{name}: {spec.num_templates} templates, {good} good and {defective} defective tests "
        f"from {file.name} in {time.monotonic() - started:.0f} s{left}"
    )


def _mesh_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        msg = f"the folder of meshes {folder} does not exist."
        raise DatasetError(msg)
    files = list_files(folder, MESH_SUFFIXES, inside=folder)
    if files:
        return files
    clouds = list_files(folder, POINT_SUFFIXES, inside=folder)
    what = (
        f"holds point clouds such as {clouds[0].name}, but a benchmark is made from closed meshes "
        "only: clouds go to PointCloudFolder"
        if clouds
        else "holds no mesh"
    )
    msg = f"{folder} {what} (meshes: {', '.join(sorted(MESH_SUFFIXES))})."
    raise DatasetError(msg)


def _named(files: Iterable[Path], spec: MeshSpec) -> dict[str, Path]:
    """Category names that any file system and the layouts can bear, to their meshes."""
    named: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for file in files:
        name = re.sub(r"[^A-Za-z0-9-]+", "_", file.stem).strip("_-")
        later = spec.layout == "anomaly-shapenet" and name.lower() in CATEGORIES_NEW
        if not name or name.lower() in _RESERVED or later:
            why = (
                "belongs to the twelve later categories, which the loader keeps apart"
                if later
                else "cannot be the name of a category"
            )
            msg = f"{file}: {(name or file.stem)!r} {why}: rename the file."
            raise ConfigurationError(msg)
        if name.lower() in taken:
            msg = f"{taken[name.lower()]} and {file} give the same category {name}: rename one."
            raise ConfigurationError(msg)
        named[name] = taken[name.lower()] = file
    return named


def _is_made(root: Path, name: str, file: Path) -> bool:
    """Whether a category is there; one of another mesh is an error."""
    folder = root / name
    if not folder.exists():
        return False
    known = None
    with suppress(TypeError, KeyError):
        known = manifest_in(folder)["mesh"]["sha256"]  # type: ignore[index]
    if known != digest_of(file):
        msg = (
            f"{folder} was not made from {file} as it is now: remove that folder, or give another "
            "root."
        )
        raise DatasetError(msg)
    return True


def _not_ours(root: Path, spec: MeshSpec) -> str:
    found, wanted = manifest_in(root), spec.manifest()
    if not isinstance(found, dict) or found.get("generator") != wanted["generator"]:
        return f"{root} holds something else: give another root."
    differ = ", ".join(
        f"{key} {json.dumps(found.get(key))}" for key in wanted if found.get(key) != wanted[key]
    )
    return (
        f"{root} holds data made with {differ}, which is not what is asked for now: give another "
        "root, or the same arguments."
    )
