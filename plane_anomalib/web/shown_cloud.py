"""A cloud as it is shown: few enough points, evenly spread, and drawn as a shaded surface.

A z-buffer of discs needs no display. What is seen at each pixel is found once; every colouring of
the same view then costs one look-up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.normals import point_normals
from plane_anomalib.geometry.sampling import typical_spacing, voxel_downsample

_NEIGHBOURS = 12


@dataclass(frozen=True, eq=False)
class ShownCloud:
    """One cloud, down-sampled for drawing.

    Attributes:
        name: What to call it: the file's stem, made unique in its run.
        points: `(N, 3) float32`, in the object's own units.
        category: The object's class.
        defect: Kind of defect, "good" without one, "" where unknown.
        path: The file it came from.
        scores: `(N,) float32` raw anomaly scores, or `None`.
        truth: `(N,) bool` ground truth, or `None`.
        predicted: `(N,) bool` predicted mask, or `None`.
        score: The object's score, or `None`.
        anomalous: The object's true label, or `None`.
        called_anomalous: The object's predicted label, or `None`.
        num_points: How many points the whole cloud has.
        rotation: `(3, 3) float32`, object to camera, to look at it first; `None` to choose.
    """

    name: str
    points: NDArray[np.float32]
    category: str = ""
    defect: str = ""
    path: str = ""
    scores: NDArray[np.float32] | None = None
    truth: NDArray[np.bool_] | None = None
    predicted: NDArray[np.bool_] | None = None
    score: float | None = None
    anomalous: bool | None = None
    called_anomalous: bool | None = None
    num_points: int = 0
    rotation: NDArray[np.float32] | None = None

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """`(N, 3) float32` unit normals; shading takes either side, so their sign is free."""
        return point_normals(self.points, k=_NEIGHBOURS)

    @cached_property
    def spacing(self) -> float:
        """Typical distance between neighbouring points, in the object's units."""
        return typical_spacing(self.points)

    def detached(self) -> ShownCloud:
        """A copy with arrays of its own, so that it does not keep a whole batch in memory."""
        return replace(self, **self._arrays(slice(None)))

    def _arrays(self, chosen: slice | NDArray[np.int64]) -> dict[str, Any]:
        return {
            name: None if (values := getattr(self, name)) is None else np.array(values[chosen])
            for name in ("points", "scores", "truth", "predicted")
        }

    def thinned(self, num: int) -> ShownCloud:
        """A copy with at most `num` points, evenly spread; the same ones for the same file."""
        if len(self.points) <= num:
            return self
        chosen = even_subset(self.points, num, seed=seed_of(self.path or self.name))
        total = self.num_points or len(self.points)
        return replace(self, **self._arrays(chosen), num_points=total)


def even_subset(points: NDArray[np.float32], num: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Choose at most `num` points that cover the surface evenly.

    One point per cell of a grid whose cells are as large as needed, so that dense regions do not
    eat up the budget and a drawn surface has no holes.

    Args:
        points: `(N, 3) float32`.
        num: The most points to keep.
        seed: Decides which point of a cell is kept.

    Returns:
        Ascending indices, at most `num`; all of them if there are few enough.
    """
    if len(points) <= num:
        return np.arange(len(points))
    generator = np.random.default_rng(seed)
    # A random thinning first bounds the work for clouds of millions of points.
    pool = generator.permutation(len(points))[: 8 * num]
    sample = points[pool]
    voxel = float(np.ptp(sample, axis=0).max()) / np.sqrt(num)
    if voxel <= 0:
        return np.sort(pool[:num])
    chosen = pool[:num]
    # Occupied cells of a surface grow with the square of the resolution: a few steps suffice.
    for _ in range(6):
        kept = pool[voxel_downsample(sample, voxel)]
        if len(kept) <= num:
            chosen = kept
            if len(kept) >= 0.85 * num:
                break
        voxel *= float(np.clip(np.sqrt(len(kept) / (0.93 * num)), 0.25, 4.0))
    return np.sort(chosen)


def seed_of(text: str) -> int:
    """A seed that depends on a name alone, so that a cloud is always thinned the same way."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


_MARGIN = 0.06
_DISC = 2.3  # radius in spacings; closes the gaps of a random sample
_LIGHT = np.array([-0.42, 0.55, 0.72], dtype=np.float32)
_AZIMUTHS = tuple(float(azimuth) for azimuth in range(35, 395, 45))
_ELEVATIONS = (28.0, 62.0, -20.0)
_AXES = {"x": (1, 2, 0), "y": (2, 0, 1), "z": (0, 1, 2)}


def view_rotation(azimuth: float, elevation: float, up: str = "z") -> NDArray[np.float32]:
    """The rotation `(3, 3) float32` from object to camera (x right, y up, z to the viewer).

    Args:
        azimuth: Degrees around the up axis.
        elevation: Degrees above the horizon.
        up: The object's axis that points up, "x", "y" or "z".
    """
    a, e = np.deg2rad(azimuth), np.deg2rad(elevation)
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    front = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    rows = np.stack([right, np.cross(front, right), front])
    rotation = np.empty_like(rows)
    rotation[:, list(_AXES[up])] = rows
    return rotation.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Rendering:
    """What is seen of a cloud from one direction.

    Attributes:
        index: `(H, W) int32`: the point seen at each pixel, -1 for the background.
        shade: `(H, W) float32`: brightness of the surface there.
    """

    index: NDArray[np.int32]
    shade: NDArray[np.float32]

    def paint(
        self, colours: NDArray[np.uint8], background: tuple[int, int, int]
    ) -> NDArray[np.uint8]:
        """Colour the surface, and smooth its edges by averaging the finer pixels.

        Args:
            colours: `(N, 3) uint8`, one per point.
            background: Red, green, blue.

        Returns:
            `(H / 2, W / 2, 3) uint8`.
        """
        # Averaging and shading belong in linear light; a square root is close enough to it.
        table = np.vstack([colours, np.array(background, dtype=np.uint8)]).astype(np.float32) ** 2
        image = table[self.index] * self.shade[..., None]
        rows = image[::2] + image[1::2]
        blocks = (rows[:, ::2] + rows[:, 1::2]) / 4
        return np.sqrt(np.minimum(blocks, 255.0**2)).astype(np.uint8)


def render(cloud: ShownCloud, rotation: NDArray[np.float32], size: int) -> Rendering:
    """Find what is seen of a cloud, orthographic, fitted into a square.

    Args:
        cloud: At least one point.
        rotation: `(3, 3)`, object to camera.
        size: Side of the painted picture in pixels.
    """
    side = 2 * size  # drawn twice as fine, averaged when painted
    index, depth, scale = _visible(cloud, rotation, side)
    seen = index >= 0
    normals = cloud.normals @ rotation.T
    normals *= np.where(normals[:, 2:] < 0, np.float32(-1), np.float32(1))
    lambert = np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), 0.0, 1.0)
    brightness = 0.34 + 0.78 * lambert
    shade = np.ones(index.shape, dtype=np.float32)
    shade[seen] = brightness[index[seen]]
    return Rendering(index, shade * _occlusion(seen, depth, scale, side))


def _visible(
    cloud: ShownCloud, rotation: NDArray[np.float32], side: int, radius: float | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float32], float]:
    """The nearest point and its depth (object units) at each pixel, and pixels per unit."""
    camera = cloud.points @ rotation.T
    low, high = camera.min(axis=0), camera.max(axis=0)
    extent = float(max(high[0] - low[0], high[1] - low[1], 1e-9))
    # The margin is wider than any disc, so that none leaves the picture.
    scale = (1 - 2 * _MARGIN) * side / extent
    flat = (camera[:, :2] - (low + high)[:2] / 2) * scale
    order = np.argsort(camera[:, 2])
    if radius is None:
        radius = float(np.clip(_DISC * cloud.spacing * scale, 1.5, (_MARGIN - 0.01) * side))
    reach = int(np.ceil(radius))
    steps = np.arange(-reach, reach + 1)
    dx, dy = (axis.ravel() for axis in np.meshgrid(steps, steps))
    inside = dx**2 + dy**2 <= radius**2
    center = np.round(flat[order] * (1, -1) + side / 2).astype(np.int32) @ np.array(
        [1, side], dtype=np.int32
    )
    disc = (dy * side + dx)[inside].astype(np.int32)
    index = np.full(side * side, -1, dtype=np.int32)
    # Far points first: numpy keeps the last of several values for one place.
    index[(center[:, None] + disc).ravel()] = np.repeat(order.astype(np.int32), len(disc))
    depth = np.where(index >= 0, camera[index, 2], low[2] - 0.1 * extent).astype(np.float32)
    return index.reshape(side, side), depth.reshape(side, side), scale


def _occlusion(
    seen: NDArray[np.bool_], depth: NDArray[np.float32], scale: float, side: int
) -> NDArray[np.float32]:
    """Darken what lies behind its surroundings, which draws creases and silhouettes."""
    from scipy.ndimage import gaussian_filter

    dark = np.zeros(depth.shape, dtype=np.float32)
    for width, strength in ((side / 180, 2.4), (side / 36, 1.2)):
        hollow = gaussian_filter(depth, width, truncate=2.0) - depth
        dark += strength * np.clip(hollow * scale / side - 0.002, 0.0, 0.12)
    return np.where(seen, 1.0 - np.minimum(dark, 0.45), 1.0).astype(np.float32)


def best_rotation(
    cloud: ShownCloud, weights: NDArray[np.floating] | None, up: str = "z"
) -> NDArray[np.float32]:
    """Choose the direction from which most of what matters is seen.

    Args:
        cloud: The cloud.
        weights: `(N,)`, how much each point matters. With `None` or all zero the usual view is
            taken, unless it sees much less of the cloud than another (a scan of one side).
        up: The object's axis that points up.
    """
    matters = weights is not None and bool(np.any(weights > 0))
    chosen = weights if weights is not None and matters else np.ones(len(cloud.points))
    heavy = np.asarray(chosen, dtype=np.float64)
    kept = _thin_for_views(heavy)
    sketch = replace(cloud, points=cloud.points[kept])
    heavy = heavy[kept]
    gains = []
    for elevation in _ELEVATIONS:
        for azimuth in _AZIMUTHS:
            index = _visible(sketch, view_rotation(azimuth, elevation, up), 64, 1.5)[0]
            shown = np.unique(index)
            gain = float(heavy[shown[shown >= 0]].sum() / heavy.sum())
            if matters:
                # Pixels count beside points: a defect is to be seen from the front, not edge-on.
                gain += float(heavy[index[index >= 0]].sum() / index.size / heavy.max())
            gains.append(gain)
    # The first view is the usual one; another has to be clearly better.
    best = int(np.argmax(gains))
    best = best if gains[best] > gains[0] * (1.05 if matters else 1.6) else 0
    row, column = divmod(best, len(_AZIMUTHS))
    return view_rotation(_AZIMUTHS[column], _ELEVATIONS[row], up)


def _thin_for_views(weights: NDArray[np.float64], num: int = 3000) -> NDArray[np.intp]:
    """Indices of every few points, the weighty ones (a thin crack) thinned less."""
    everywhere = np.arange(0, len(weights), max(1, len(weights) // num))
    weighty = np.flatnonzero(weights > 0.5 * weights.max())
    return np.union1d(everywhere, weighty[:: max(1, len(weighty) // (num // 3))])
