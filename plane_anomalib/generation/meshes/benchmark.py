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
from pathlib import Path

from plane_anomalib.core.errors import ConfigurationError, DatasetError
from plane_anomalib.formats.folders import CATEGORIES_NEW, list_files
from plane_anomalib.formats.io import MESH_SUFFIXES, POINT_SUFFIXES
from plane_anomalib.generation.folders import claim, in_place, manifest_in
from plane_anomalib.generation.meshes.category import Category, MeshSpec
from plane_anomalib.generation.meshes.closed_mesh import digest_of, read_closed_mesh

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
    category = Category.of(name, read_closed_mesh(file), spec)
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
