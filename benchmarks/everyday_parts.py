"""Parts as everyday scanners see them: a whole casting, height maps, a bracket under a camera.

All lengths are millimetres. Every function draws from the seed that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Cloud = NDArray[np.float64]
NOISE = 0.03
"""Standard deviation of what a sensor adds."""
SPOTS = ((-20.0, -15.0), (-10.0, -10.0), (15.0, -18.0), (20.0, 5.0), (0.0, 0.0))
"""Places `(x, y)` on a height map where a nub or a dent may be."""


def casting(
    seed: int, count: int = 8_000, *, bump: float = 0.0, missing: float = 0.0, noise: float = NOISE
) -> Cloud:
    """A whole lopsided casting, 110 mm long, seen from all sides.

    Args:
        seed: Of points and noise.
        count: Points, before any are missing.
        bump: Height of a bump of 18 mm width; negative for a dent.
        missing: Share of its points that is broken off, at one end.
        noise: Of the sensor.

    Returns:
        `(N, 3)`.
    """
    generator = np.random.default_rng(seed)
    # Directions in proportion to the area that they see, by rejection.
    ways = generator.normal(size=(4 * count, 3))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    points = _radius(ways)[:, None] * ways * (55.0, 32.0, 20.0)
    weight = np.linalg.norm(points, axis=1) ** 2
    points = points[generator.random(len(points)) < weight / weight.max()]
    points = points[generator.permutation(len(points))[:count]]
    outward = points / np.linalg.norm(points, axis=1, keepdims=True)
    place = np.array([18.0, 9.0, 18.0])
    place *= np.linalg.norm(points, axis=1)[np.argmax(outward @ (place / 27.0))] / 27.0
    beside = np.linalg.norm(points - place, axis=1)
    points = points + outward * (bump * np.exp(-np.square(beside / 6.5)))[:, None]
    points = points + generator.normal(0, noise, points.shape)
    along = points @ np.array([0.94, 0.3, 0.16])
    return points[along <= np.quantile(along, 1 - missing)]


def _radius(ways: Cloud) -> NDArray[np.float64]:
    x, y, z = ways.T
    knob = 0.45 * np.exp(-12 * ((x - 0.5) ** 2 + (y - 0.75) ** 2 + (z - 0.43) ** 2))
    return 1 + 0.15 * x * y - 0.07 * (np.abs(z + 0.2) < 0.1) + knob - 0.1 * np.maximum(-x, 0) ** 3


def height_map(
    seed: int,
    shape: str = "arch",
    *,
    at: tuple[float, float] = (-10.0, -10.0),
    bump: float = 0.0,
    width: float = 6.0,
    step: float = 0.7,
) -> tuple[Cloud, Cloud, Cloud]:
    """A sheet with a rib as a line scanner above it sees it.

    Args:
        seed: Of the noise.
        shape: `plate`, `arch` or `dish`.
        at: Where the bump is.
        bump: Its height; negative for a dent.
        width: Radius beyond which nothing of it is left.
        step: From pixel to pixel.

    Returns:
        x, y and z of the pixels, `(rows, columns)` each.
    """
    generator = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(-50, 50, step), np.arange(-30, 30, step))
    curved = {"plate": 0 * x, "arch": 20 - x**2 / 125, "dish": (x**2 + y**2) / 125}[shape]
    beside = np.hypot(x - at[0], y - at[1])
    raised = np.cos(np.pi * np.minimum(beside, width) / (2 * width)) * (beside < width)
    z = curved + 6 * (np.abs(y - 15) < 4) + bump * raised
    return x, y, z + generator.normal(0, NOISE, x.shape) + generator.normal(0, NOISE)


def listed(*axes: Cloud) -> Cloud:
    """The pixels of a map one below the other, `(N, 3)`."""
    return np.stack(axes, -1).reshape(-1, 3)


def bracket(extra: str = "", *, boss: bool = True) -> list[Any]:
    """The solids of a bracket 100 mm long: `nub` adds one of 4 mm, `boss` may be missing."""
    import trimesh

    def box(*size_and_place: float) -> Any:
        mesh = trimesh.creation.box(size_and_place[:3])
        return mesh.apply_translation(size_and_place[3:])

    solids = [box(100, 60, 8, 0, 0, 4), box(100, 8, 40, 0, 26, 20), box(8, 40, 25, 20, 0, 12.5)]
    if boss:
        solids.append(trimesh.creation.cylinder(9, 20).apply_translation((-32, -8, 10)))
    if extra == "nub":
        solids.append(trimesh.creation.icosphere(3, 4).apply_translation((-5, -15, 8)))
    return solids


def seen_by_a_camera(
    solids: Sequence[Any], seed: int, *, missing_pixels: float | None = None
) -> Cloud:
    """One depth camera at the origin looks along +z at a fixture 600 mm away, 200 by 150 pixels.

    Args:
        solids: Of the part.
        seed: Of noise, of lost pixels and of how the part lies.
        missing_pixels: What the camera writes for pixels without depth; `None` leaves them out.
    """
    import trimesh

    generator = np.random.default_rng(seed)
    turned = trimesh.transformations.euler_matrix(np.pi - 0.45, 0.2, 0)
    turned[:3, 3] = np.array([5.0, -3.0, 600.0])
    turned[:2, 3] += generator.normal(0, 0.05, 2)
    u, v = np.meshgrid((np.arange(200) - 99.5) / 900, (np.arange(150) - 74.5) / 900)
    rays = np.stack([u, v, np.ones_like(u)], -1).reshape(-1, 3)
    depth = _cast(solids, turned, np.zeros_like(rays), rays)
    points = rays * (depth + generator.normal(0, NOISE, len(depth)))[:, None]
    lost = ~np.isfinite(depth) | (generator.random(len(depth)) < 0.03)
    if missing_pixels is None:
        return points[~lost]
    points[lost] = missing_pixels
    return points


def on_a_table(solids: Sequence[Any], seed: int, *, fixed: bool, screw: bool = False) -> Cloud:
    """A part on a table under a camera 300 mm above it, the table seen all around the part.

    Args:
        solids: Of the part; none for an empty table.
        seed: Of noise and of how the part lies.
        fixed: Whether it lies where it always lies, rather than anywhere, turned.
        screw: Whether one lies beside it.
    """
    import trimesh

    generator = np.random.default_rng(seed)
    angle = 0.0 if fixed else generator.uniform(0, 2 * np.pi)
    turned = trimesh.transformations.rotation_matrix(angle, (0, 0, 1))
    turned[:2, 3] = generator.normal(0, 0.05, 2) if fixed else generator.uniform(-40, 40, 2)
    x, y = np.meshgrid(np.arange(-120, 120, 1.5), np.arange(-90, 90, 1.5))
    starts = listed(x, y, np.full_like(x, 300.0))
    ways = np.tile([0.0, 0.0, -1.0], (len(starts), 1))
    depth = _cast(solids, turned, starts, ways)
    if screw:
        lying = trimesh.creation.cylinder(6, 15).apply_translation((-95, 70, 7))
        depth = np.minimum(depth, _cast([lying], np.eye(4), starts, ways))
    height = np.where(np.isfinite(depth), 300 - depth, 0) + generator.normal(0, 0.05, len(depth))
    return np.column_stack([starts[:, :2], height])


def _cast(
    solids: Sequence[Any], turned: NDArray[np.float64], starts: Cloud, ways: Cloud
) -> NDArray[np.float64]:
    """How far each ray goes until it meets a solid; infinite where it meets none."""
    import open3d

    tensor: Any = open3d.core.Tensor
    scene = open3d.t.geometry.RaycastingScene()
    for solid in solids:
        mesh = solid.copy().apply_transform(turned)
        scene.add_triangles(
            tensor(mesh.vertices.astype(np.float32)),
            tensor(mesh.faces.astype(np.uint32)),
        )
    if not solids:
        return np.full(len(starts), np.inf)
    rays = np.concatenate([starts, ways], 1).astype(np.float32)
    return scene.cast_rays(tensor(rays))["t_hit"].numpy().astype(np.float64)


def flying(points: Cloud, count: int, seed: int) -> Cloud:
    """Add pixels that lie between near and far along the rays of a camera at the origin."""
    generator = np.random.default_rng(seed)
    drawn = points[generator.integers(0, len(points), count)]
    return np.concatenate([points, drawn * (1 + generator.uniform(-0.08, 0.08, (count, 1)))])


@cache
def random_rotation(seed: int) -> NDArray[np.float64]:
    """Any rotation, `(3, 3)`."""
    turned, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turned * np.sign(np.linalg.det(turned))
