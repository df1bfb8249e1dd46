"""Load time of one cloud in every format, beside other readers in the same run.

Run `python benchmarks/io_speed.py [--points 1000000] [--repeats 5]`. Each time is the best of the
repeats with the file in the page cache; every reader's points are compared with what was written.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from plyfile import PlyData
from pypcd4 import PointCloud

from plane_anomalib.formats.io import read_labelled_points, read_points
from plane_anomalib.formats.writer import write_points


def by_pypcd4(path: Path) -> np.ndarray:
    """Read x y z with pypcd4."""
    return PointCloud.from_path(path).numpy(("x", "y", "z"))


def by_plyfile(path: Path) -> np.ndarray:
    """Read x y z with plyfile."""
    vertex = PlyData.read(path)["vertex"]
    return np.stack([vertex[axis] for axis in "xyz"], axis=1)


def by_genfromtxt(path: Path) -> np.ndarray:
    """Read comma-separated text with numpy.genfromtxt."""
    return np.genfromtxt(path, delimiter=",")[:, :3]


def by_loadtxt(path: Path) -> np.ndarray:
    """Read comma-separated text with numpy.loadtxt."""
    return np.loadtxt(path, delimiter=",")[:, :3]


Reader = Callable[[Path], Any]
CASES: list[tuple[str, str, dict[str, Any], list[Reader]]] = [
    ("pcd binary", "binary.pcd", {"encoding": "binary"}, [by_pypcd4]),
    ("pcd compressed", "packed.pcd", {"encoding": "binary_compressed"}, [by_pypcd4]),
    ("pcd ascii", "ascii.pcd", {"encoding": "ascii"}, [by_pypcd4]),
    ("ply binary", "binary.ply", {"encoding": "binary"}, [by_plyfile]),
    ("ply ascii", "ascii.ply", {"encoding": "ascii"}, [by_plyfile]),
    ("text labels", "labels.txt", {}, [by_genfromtxt, by_loadtxt]),
    ("npy", "array.npy", {}, []),
    ("npz", "array.npz", {}, []),
]


def best(read: Reader, path: Path, repeats: int, expected: np.ndarray) -> float:
    """Shortest of `repeats` times in seconds, after checking the result once."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = read(path)
        times.append(time.perf_counter() - start)
    points = getattr(result, "points", result)
    if not np.array_equal(np.asarray(points, np.float32), expected):
        raise SystemExit(f"{read.__name__} did not give back what {path.name} holds")
    return min(times)


def main() -> None:
    """Write every format once, read it with every reader and print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    points = generator.normal(size=(arguments.points, 3)).astype(np.float32)
    labels = generator.random(arguments.points) < 0.02
    with tempfile.TemporaryDirectory() as folder:
        for title, name, options, others in CASES:
            path = Path(folder) / name
            labelled = title == "text labels"
            write_points(path, points, labels=labels if labelled else None, **options)
            ours = best(
                read_labelled_points if labelled else read_points, path, arguments.repeats, points
            )
            line = f"{title:15s} ours {ours:7.3f} s"
            for other in others:
                repeats = 1 if other is by_genfromtxt else arguments.repeats
                seconds = best(other, path, repeats, points)
                line += f"   {other.__name__[3:]} {seconds:7.3f} s ({seconds / ours:.1f} x ours)"
            print(line, flush=True)


if __name__ == "__main__":
    main()
