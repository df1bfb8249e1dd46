"""Small trees in the layouts of the public datasets, written without the package's own writers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]


def surface(rng: np.random.Generator, count: int = 200, scale: float = 1.0) -> Points:
    """Random points of an ellipsoid, in random order."""
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (directions * [1.0, 0.8, 0.6] * scale).astype(np.float32)


def write_pcd(path: Path, points: Points) -> Path:
    """Binary PCD with the fields x y z."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = (
        "# .PCD v0.7 - Point Cloud Data file format\nVERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\n"
        f"TYPE F F F\nCOUNT 1 1 1\nWIDTH {len(points)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\n"
        f"POINTS {len(points)}\nDATA binary\n"
    )
    path.write_bytes(header.encode() + np.asarray(points, "<f4").tobytes())
    return path


def write_truth(
    path: Path,
    points: Points,
    mask: NDArray[np.bool_],
    *,
    rng: np.random.Generator | None = None,
    delimiter: str = ",",
    digits: int = 6,
) -> Path:
    """Rows `x y z label`, shuffled if a generator is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    order = np.arange(len(points)) if rng is None else rng.permutation(len(points))
    rows = [
        delimiter.join([*(f"{value:.{digits}f}" for value in points[i]), str(int(mask[i]))])
        for i in order
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def dent(points: Points, rng: np.random.Generator) -> tuple[Points, NDArray[np.bool_]]:
    """Press a region in."""
    center = points[rng.integers(len(points))]
    mask = np.linalg.norm(points - center, axis=1) < 0.3 * np.abs(points).max()
    changed = points.copy()
    changed[mask] *= 0.9
    return changed, mask


def shapenet_tree(
    root: Path,
    rng: np.random.Generator,
    categories: tuple[str, ...] = ("bowl0", "cup1"),
    *,
    templates: int = 4,
    count: int = 200,
    digits: int = 6,
) -> Path:
    """Two good and two anomalous test clouds per category, as Anomaly-ShapeNet names them."""
    for category in categories:
        folder = root / category
        for number in range(templates):
            name = f"{category}_template{number}.pcd"
            write_pcd(folder / "train" / name, surface(rng, count))
        for number in range(2):
            name = f"{category}_positive{number}.pcd"
            write_pcd(folder / "test" / name, surface(rng, count))
        for kind in ("bulge0", "crak0"):
            points, mask = dent(surface(rng, count), rng)
            write_pcd(folder / "test" / f"{category}_{kind}.pcd", points)
            truth = folder / "GT" / f"{category}_{kind}.txt"
            write_truth(truth, points, mask, rng=rng, digits=digits)
    return root


def real3d_tree(
    root: Path, rng: np.random.Generator, categories: tuple[str, ...] = ("duck", "car")
) -> Path:
    """Three good and three anomalous test clouds per category, as Real3D-AD names them."""
    for category in categories:
        folder = root / category
        for number in (4, 35, 69, 7):
            write_pcd(folder / "train" / f"{number}_template.pcd", surface(rng, 400, 15.0))
        for stem in ("12_good", "12_good_cut", "5_good_copy"):
            write_pcd(folder / "test" / f"{stem}.pcd", surface(rng, 200, 15.0))
        for stem in ("3_bulges", "63_sink_cut", "78_hybrid"):
            points, mask = dent(surface(rng, 200, 15.0), rng)
            write_pcd(folder / "test" / f"{stem}.pcd", points)
            write_truth(folder / "gt" / f"{stem}.txt", points, mask, rng=rng, delimiter=" ")
    return root


def folder_tree(root: Path, rng: np.random.Generator, *, truth: bool = True) -> Path:
    """Own scans: clouds, and meshes' formats left to others."""
    for number in range(4):
        write_pcd(root / "train" / f"scan{number}.pcd", surface(rng))
    for number in range(2):
        write_pcd(root / "test" / "good" / f"scan{number}.pcd", surface(rng))
    for defect in ("dent", "Deep scratch"):
        points, mask = dent(surface(rng), rng)
        write_pcd(root / "test" / defect / "scan9.pcd", points)
        if truth:
            write_truth(root / "ground_truth" / defect / "scan9.txt", points, mask, rng=rng)
    return root
