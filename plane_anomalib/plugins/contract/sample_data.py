"""Small clouds and a small dataset to check models on, written by hand, byte by byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]


def surface(generator: np.random.Generator, count: int = 200, scale: float = 1.0) -> Points:
    """Random points of an ellipsoid, in random order.

    Args:
        generator: The only source of randomness.
        count: How many points.
        scale: The longest half axis.

    Returns:
        `(count, 3) float32`.
    """
    directions = generator.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (directions * [1.0, 0.8, 0.6] * scale).astype(np.float32)


def write_pcd(path: Path, points: Points) -> Path:
    """Write a binary PCD with the fields x y z; parent folders are made."""
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
    generator: np.random.Generator | None = None,
    delimiter: str = ",",
    digits: int = 6,
) -> Path:
    """Write rows `x y z label`, shuffled if a generator is given; parent folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    order = np.arange(len(points)) if generator is None else generator.permutation(len(points))
    rows = [
        delimiter.join([*(f"{value:.{digits}f}" for value in points[i]), str(int(mask[i]))])
        for i in order
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def dent(points: Points, generator: np.random.Generator) -> tuple[Points, NDArray[np.bool_]]:
    """Press a region in; the changed points and which of them were pressed."""
    center = points[generator.integers(len(points))]
    mask = np.linalg.norm(points - center, axis=1) < 0.3 * np.abs(points).max()
    changed = points.copy()
    changed[mask] *= 0.9
    return changed, mask


def shapenet_tree(
    root: Path,
    generator: np.random.Generator,
    categories: tuple[str, ...] = ("bowl0", "cup1"),
    *,
    templates: int = 4,
    count: int = 200,
    digits: int = 6,
) -> Path:
    """Write training clouds, two good and two anomalous test clouds per category.

    Args:
        root: The folder, in Anomaly-ShapeNet's layout and with its names.
        generator: The only source of randomness.
        categories: Folders below it.
        templates: Training clouds per category.
        count: Points of a cloud.
        digits: Of the coordinates in the truth files.

    Returns:
        `root`.
    """
    for category in categories:
        folder = root / category
        for number in range(templates):
            name = f"{category}_template{number}.pcd"
            write_pcd(folder / "train" / name, surface(generator, count))
        for number in range(2):
            name = f"{category}_positive{number}.pcd"
            write_pcd(folder / "test" / name, surface(generator, count))
        for kind in ("bulge0", "crak0"):
            points, mask = dent(surface(generator, count), generator)
            write_pcd(folder / "test" / f"{category}_{kind}.pcd", points)
            truth = folder / "GT" / f"{category}_{kind}.txt"
            write_truth(truth, points, mask, generator=generator, digits=digits)
    return root
