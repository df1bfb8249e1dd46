"""Small trees in the layouts of the public datasets, written without the package's own writers."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from plane_anomalib.plugins.contract.sample_data import (
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
    "minishift_tree",
    "mulsen_tree",
    "real3d_tree",
    "shapenet_tree",
    "surface",
    "write_pcd",
    "write_stl",
    "write_truth",
]


def real3d_tree(
    root: Path, generator: np.random.Generator, categories: tuple[str, ...] = ("duck", "car")
) -> Path:
    """Three good and three anomalous test clouds per category, as Real3D-AD names them."""
    for category in categories:
        folder = root / category
        for number in (4, 35, 69, 7):
            write_pcd(folder / "train" / f"{number}_template.pcd", surface(generator, 400, 15.0))
        for stem in ("12_good", "12_good_cut", "5_good_copy"):
            write_pcd(folder / "test" / f"{stem}.pcd", surface(generator, 200, 15.0))
        for stem in ("3_bulges", "63_sink_cut", "78_hybrid"):
            points, mask = dent(surface(generator, 200, 15.0), generator)
            write_pcd(folder / "test" / f"{stem}.pcd", points)
            write_truth(
                folder / "gt" / f"{stem}.txt", points, mask, generator=generator, delimiter=" "
            )
    return root


def folder_tree(root: Path, generator: np.random.Generator, *, truth: bool = True) -> Path:
    """Own scans: clouds, and meshes' formats left to others."""
    for number in range(4):
        write_pcd(root / "train" / f"scan{number}.pcd", surface(generator))
    for number in range(2):
        write_pcd(root / "test" / "good" / f"scan{number}.pcd", surface(generator))
    for defect in ("dent", "Deep scratch"):
        points, mask = dent(surface(generator), generator)
        write_pcd(root / "test" / defect / "scan9.pcd", points)
        if truth:
            write_truth(
                root / "ground_truth" / defect / "scan9.txt", points, mask, generator=generator
            )
    return root


def minishift_tree(
    root: Path, generator: np.random.Generator, categories: tuple[str, ...] = ("cube", "nut")
) -> Path:
    """Text clouds as MiniShift has them: a defect in three sizes, one label per line."""
    for category in categories:
        folder = root / category
        for number in range(4):
            _write_columns(folder / "train/good" / f"{number}.txt", surface(generator))
        for number in range(2):
            _write_columns(folder / "test/good" / f"{number}.txt", surface(generator))
        for level in ("easy", "medium", "hard"):
            points, mask = dent(surface(generator), generator)
            _write_columns(folder / "test/Sphere" / level / "0.txt", points)
            _write_columns(folder / "gt/Sphere" / level / "0.txt", mask.astype(float))
    return root


def _write_columns(path: Path, values: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, values)


def mulsen_tree(
    root: Path, generator: np.random.Generator, categories: tuple[str, ...] = ("cube", "nut")
) -> Path:
    """Scans as MulSen-AD has them; of the defect `color` the scanner sees nothing in cloud 10."""
    for category in categories:
        scans = root / category / "Pointcloud"
        for number in range(4):
            write_stl(scans / "train" / f"{number}.stl", surface(generator))
        for number in range(2):
            write_stl(scans / "test/good" / f"{number}.stl", surface(generator))
        for kind, visible in {"hole": {2: 1}, "color": {2: 1, 10: 0}}.items():
            for number, label in visible.items():
                points, mask = dent(surface(generator), generator)
                write_stl(scans / "test" / kind / f"{number}.stl", points)
                if label:
                    truth = scans / "GT" / kind / f"{number}.txt"
                    truth.parent.mkdir(parents=True)
                    np.savetxt(truth, points[mask], delimiter=",", fmt="%.6f")
            table = root / category / "RGB/GT" / kind / "data.csv"
            table.parent.mkdir(parents=True)
            rows = [f"{number},1,0,{label}" for number, label in visible.items()]
            table.write_text("\n".join(["object,RGB,infrared,pointcloud", *rows]) + "\n")
    return root


def write_stl(path: Path, points: Points) -> Path:
    """Write a binary STL whose vertices are the points of a (dented) ellipsoid."""
    path.parent.mkdir(parents=True, exist_ok=True)
    directions = points / np.array([1.0, 0.8, 0.6])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    triangles = points[ConvexHull(directions).simplices].astype("<f4").reshape(-1, 9)
    faces = [struct.pack("<3f", 0, 0, 0) + row.tobytes() + b"\0\0" for row in triangles]
    path.write_bytes(b"\0" * 80 + struct.pack("<I", len(faces)) + b"".join(faces))
    return path
