"""Small trees in the layouts of the public datasets, written without the package's own writers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from plane_anomalib.contract.trees import (
    Points,
    dent,
    shapenet_tree,
    surface,
    write_pcd,
    write_truth,
)

__all__ = [
    "Points",
    "dent",
    "folder_tree",
    "real3d_tree",
    "shapenet_tree",
    "surface",
    "write_pcd",
    "write_truth",
]


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
