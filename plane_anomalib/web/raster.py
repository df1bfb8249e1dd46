"""Draw points as a closed, shaded surface: a z-buffer of discs, without a display.

What is seen at each pixel is found once; every colouring of the same view then costs one look-up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from plane_anomalib.web.shown_cloud import ShownCloud

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
