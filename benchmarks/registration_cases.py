"""Scans in random poses whose true pose is known, from files or from the built-in solids."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.data.settings import ProceduralShapesSettings
from plane_anomalib.generation.defects.field_defects import FIELD_DEFECTS, plan_defect
from plane_anomalib.generation.procedural_shapes import ProceduralSpec
from plane_anomalib.generation.shapes.nominal_objects import NOMINAL_OBJECTS, REACH
from plane_anomalib.generation.surfaces import Surface
from plane_anomalib.geometry.registration import RigidTransform


@dataclass(frozen=True)
class Case:
    """One scan in a random pose.

    Attributes:
        category: Class of the object.
        kind: `"complete"`, `"one-sided"`, or `"cut"`: one-sided, and only a part of that.
        number: Of the scan within its class; with the seed it says which one it is.
        points: (M, 3) float32, posed.
        pose: From the frame of the template to that of the scan.
    """

    category: str
    kind: str
    number: int
    points: np.ndarray
    pose: RigidTransform


@dataclass(frozen=True)
class Category:
    """A template and the scans to be registered to it.

    Attributes:
        name: Of the class.
        template: (N, 3) complete cloud.
        truth: (N, 3) cloud in the same pose that scans are compared with afterwards: the template,
            or a dense one without noise where there is one.
        cases: The scans.
    """

    name: str
    template: np.ndarray
    truth: np.ndarray
    cases: list[Case]


def visible(points: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Indices of the points that a far camera sees (hidden point removal; Katz et al. 2007).

    Made for points without noise: noise of 0.05 % of the longest side hides half of what is seen.

    Args:
        points: (N, 3).
        direction: (3,) unit vector from the object to the camera.
    """
    center = points.mean(0)
    reach = np.linalg.norm(points - center, axis=1).max()
    offsets = points - (center + 6 * reach * direction)
    distances = np.linalg.norm(offsets, axis=1)
    radius = 100 * distances.max()
    flipped = offsets + 2 * (radius - distances)[:, None] * offsets / distances[:, None]
    corners = ConvexHull(np.vstack([flipped, np.zeros(3)])).vertices
    return np.sort(corners[corners < len(points)])


def posed(
    category: str, kind: str, number: int, points: np.ndarray, generator: np.random.Generator
) -> Case:
    """Turn a scan at random and move it by about its size."""
    turn = Rotation.from_quat(generator.normal(size=4)).as_matrix()
    pose = RigidTransform(turn, np.ptp(points, 0).max() * generator.normal(size=3))
    return Case(category, kind, number, pose.apply(points), pose)


def one_side(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """What a camera in a random direction sees."""
    direction = generator.normal(size=3)
    return points[visible(points, direction / np.linalg.norm(direction))]


def cut(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """What lies on one side of a random plane: a quarter to all of the points of a view."""
    heights = points @ generator.normal(size=3)
    num = max(1, round(len(points) * generator.uniform(0.25, 1.0)))
    return points[np.sort(np.argsort(heights, kind="stable")[:num])]


def stream(seed: int, name: str, number: int) -> np.random.Generator:
    """A generator of its own for every scan: the first scans are the same however many are run."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), number])


def from_files(root: Path, classes: str, num: int, seed: int) -> Iterator[Category]:
    """Clouds of a folder in Anomaly-ShapeNet's layout: whole, of one view, and of a part of it.

    The first template of a class is the target. Its other templates and its tests, in random order,
    are the scans.

    Args:
        root: Folder whose clouds of one class lie the same way.
        classes: Names separated by commas, or `"all"`.
        num: Scans of each kind per class.
        seed: Of the order, views and poses.
    """
    data = AnomalyShapeNet(root=root, category=classes, val_split_mode="none")
    data.setup()
    clouds: dict[str, list[np.ndarray]] = defaultdict(list)
    for index in range(len(data.train_data)):
        item = data.train_data.untransformed(index)
        clouds[item.category].append(item.points.numpy().astype(np.float64))
    for index in range(len(data.test_data)):
        item = data.test_data[index]
        clouds[item.category].append(item.points.numpy().astype(np.float64))
    for name, (template, *others) in clouds.items():
        order = stream(seed, name, -1 % 2**32).permutation(len(others))[:num]
        cases = []
        for number in map(int, order):
            generator = stream(seed, name, number)
            cloud = others[number]
            cases.append(posed(name, "complete", number, cloud, generator))
            view = one_side(cloud, generator)
            cases.append(posed(name, "one-sided", number, view, generator))
            cases.append(posed(name, "cut", number, cut(view, generator), generator))
        yield Category(name, template, template, cases)


def from_solids(classes: str, num: int, seed: int) -> Iterator[Category]:
    """One-sided scans of the built-in solids, whole and cut; every other one has a defect.

    Each cloud is a specimen (sides vary by 0.2 %) with some 10,000 points before it is cut to one
    view, and is given the sensor's noise (0.05 %) afterwards; the template likewise, uncut.

    Args:
        classes: Names separated by commas, or `"all"`.
        num: Scans per class.
        seed: Of everything.
    """
    spec = ProceduralShapesSettings(data_seed=seed).spec()
    names = NOMINAL_OBJECTS if classes == "all" else classes.split(",")
    kinds = list(FIELD_DEFECTS)
    for name in names:
        generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
        surface = Surface(NOMINAL_OBJECTS[name](), REACH, generator)
        template = specimen(surface, None, spec, generator)
        truth = surface.sample(16_000 / surface.area, generator)[0]
        template += generator.normal(0.0, spec.noise, template.shape)
        cases = []
        for number in range(num):
            generator = stream(seed, name, number)
            points = specimen(
                surface, kinds[number // 2 % 7] if number % 2 else None, spec, generator
            )
            points = one_side(points, generator)
            points += generator.normal(0.0, spec.noise, points.shape)
            cases.append(posed(name, "one-sided", number, points, generator))
            cases.append(posed(name, "cut", number, cut(points, generator), generator))
        yield Category(name, template, truth, cases)


def specimen(
    surface: Surface, defect: str | None, spec: ProceduralSpec, generator: np.random.Generator
) -> np.ndarray:
    """(N, 3) complete cloud without noise, its three sides scaled a little."""
    patch = None if defect is None else plan_defect(defect, surface, generator)
    density = spec.num_points * generator.uniform(0.8, 1.2) / surface.area
    scale = 1.0 + spec.variation * np.clip(generator.normal(size=3), -1.5, 1.5)
    return np.asarray(surface.sample(density, generator, patch)[0] * scale)
