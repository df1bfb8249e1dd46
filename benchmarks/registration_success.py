"""Share of poses found, on complete and one-sided scans whose true pose is known.

Run `python benchmarks/registration_success.py --data ROOT [--classes cup1,tap1] [--clouds 21]`.
ROOT is a folder in Anomaly-ShapeNet's layout in which all clouds of a class lie the same way. Every
cloud but the first template is turned and moved at random, once complete and once cut to what one
camera sees (hidden points removed; Katz et al. 2007), and registered to the first template.

What counts as found. Many objects look alike in several poses (a vase turned about its axis, a cup
whose handle is hidden), so an angle says little. Let E be the pose found times the inverse of the
true one: right poses have E that maps the object onto itself. The template points that the scan
shows are moved by E, and their root mean square distance to the template's surface must be at most
0.5 % of the longest side. Turning an object by 2 degrees, or shifting it by 1 %, moves its surface
by about as much along its normals. `exact` is the share within 2 degrees and 1 % without regard to
symmetry: near zero by nature for objects of revolution, as high as the other for the rest.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.geometry.registration import RegistrationTarget, RigidTransform

LIMIT = 0.005


def visible(points: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Indices of the points that a far camera sees (hidden point removal by convex hull)."""
    center = points.mean(0)
    reach = np.linalg.norm(points - center, axis=1).max()
    offsets = points - (center + 6 * reach * direction)
    distances = np.linalg.norm(offsets, axis=1)
    radius = 100 * distances.max()
    flipped = offsets + 2 * (radius - distances)[:, None] * offsets / distances[:, None]
    corners = ConvexHull(np.vstack([flipped, np.zeros(3)])).vertices
    return np.sort(corners[corners < len(points)])


def surface_error(target: RegistrationTarget, shown: np.ndarray, error: RigidTransform) -> float:
    """RMS distance to the surface of the template points beside ``shown``, moved by ``error``."""
    surface = target.surface
    nearest = np.unique(surface.fine_index.query(surface.to_unit(shown), 1)[1])
    patch = surface.fine[nearest].astype(np.float64) * surface.extent + surface.center
    moved = surface.to_unit(error.apply(patch)).astype(np.float64)
    return float(np.sqrt(np.mean(np.square(surface.distances(moved)))))


@dataclass(frozen=True)
class Case:
    """One scan in a random pose."""

    category: str
    kind: str
    points: np.ndarray
    pose: RigidTransform


def cases(clouds: dict[str, list[np.ndarray]], num: int, seed: int) -> Iterator[Case]:
    """Turn and cut the clouds of every class but the first."""
    rng = np.random.default_rng(seed)
    for category, given in clouds.items():
        for cloud in given[1 : num + 1]:
            points = cloud.astype(np.float64)
            extent = np.ptp(points, 0).max()
            direction = rng.normal(size=3)
            one_sided = points[visible(points, direction / np.linalg.norm(direction))]
            for kind, part in (("complete", points), ("one-sided", one_sided)):
                turn = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
                pose = RigidTransform(turn, extent * rng.normal(size=3))
                yield Case(category, kind, pose.apply(part), pose)


def read_clouds(root: Path, classes: str) -> dict[str, list[np.ndarray]]:
    """Templates, then tests, of each class."""
    data = AnomalyShapeNet(root=root, category=classes, val_split_mode="none")
    data.setup()
    clouds: dict[str, list[np.ndarray]] = defaultdict(list)
    for index in range(len(data.train_data)):
        item = data.train_data.untransformed(index)
        clouds[item.category].append(item.points.numpy())
    for index in range(len(data.test_data)):
        item = data.test_data[index]
        clouds[item.category].append(item.points.numpy())
    return clouds


def main() -> None:
    """Register every case and print shares and seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, required=True, help="folder in the dataset's layout")
    parser.add_argument("--classes", default="all")
    parser.add_argument("--clouds", type=int, default=21, help="clouds per class")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    clouds = read_clouds(given.data, given.classes)
    targets: dict[str, RegistrationTarget] = {}
    rows: dict[tuple[str, str], list[tuple[bool, bool, bool, float]]] = defaultdict(list)
    for case in cases(clouds, given.clouds, given.seed):
        if case.category not in targets:
            targets[case.category] = RegistrationTarget(clouds[case.category][0])
            len(targets[case.category].symmetries)  # found once per object, not per cloud
        target = targets[case.category]
        start = time.process_time()
        result = target.register(case.points)
        seconds = time.process_time() - start
        error = result.transform.compose(case.pose)
        shown = case.pose.inverse().apply(case.points)
        middle = target.surface.center
        shift = np.linalg.norm(error.apply(middle[None])[0] - middle) / target.surface.extent
        rows[case.category, case.kind].append(
            (
                surface_error(target, shown, error) <= LIMIT,
                error.angle <= 2.0 and float(shift) <= 0.01,
                result.complete == (case.kind == "complete"),
                seconds,
            )
        )
    print_table(rows)


def print_table(rows: dict[tuple[str, str], list[tuple[bool, bool, bool, float]]]) -> None:
    """One line per class and kind, then the totals."""
    print(
        f"{'class':<12}{'scans':<11}{'clouds':>7}{'found':>8}{'exact':>8}{'sides':>8}{'cpu s':>8}"
    )
    for kind in ("complete", "one-sided"):
        total = []
        for (category, of_kind), values in rows.items():
            if of_kind == kind:
                total += values
                print_row(category, kind, values)
        print_row("all", kind, total)


def print_row(category: str, kind: str, values: list[tuple[bool, bool, bool, float]]) -> None:
    """Means of one group."""
    found, exact, sides, seconds = np.mean(np.array(values, np.float64), 0)
    print(
        f"{category:<12}{kind:<11}{len(values):>7}{found:>8.3f}{exact:>8.3f}{sides:>8.3f}"
        f"{seconds:>8.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
