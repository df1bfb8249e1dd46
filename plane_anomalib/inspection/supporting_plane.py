"""The plane that a part stands on while it is scanned: is there one, and which points are its own.

A plane alone does not tell: the top of a plate with bosses looks like a table with parts on it.
What tells is that a table does not move with the part. Where several scans show the same plane in
the same place and the part elsewhere on it each time, it is a table; where the part never moves, or
there is one scan only, their owner has to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.geometry.sampling import random_subsample, typical_spacing

Array = NDArray[np.float64]

_SAMPLE = 3_000
_TRIES = 300
_LEAST_SHARE = 0.25
"""Of the points, that a table holds: more than any face of a part with a part on top."""
LEAST_LEFT = 0.005
"""Share of the points of a scan below which what is left beside its table is no part."""
_WRONG_SIDE = 0.005
"""Share of the points that may lie behind a table: strays."""
_SPREAD = 5.0
"""Points up to this many deviations of the noise from the plane are its own."""
_LEAST_BORDER = 0.97
_MOST_FOOTPRINT = 0.8
"""Of the area that the scan covers, what stands on a table takes less than this."""
_SAME_ANGLE = np.cos(np.deg2rad(2.0))
_MOVED = 0.03
"""Of the longest side: by how much what stands on the table must come nearer to its middle or go
away from it between scans. A plate that is turned in a fixture carries its bosses around its
middle, not away from it."""
_FIRMLY = 4.0
"""So many times less than what stands on it, the border of a table moves."""
_DIRECTIONS = 32
_OTHER_SIZE = 1.25


@dataclass(frozen=True, eq=False)
class SupportingPlane:
    """A plane that bounds a scan on one side and reaches its border.

    Attributes:
        normal: `(3,) float64`, of length 1, towards what stands on it.
        offset: Of its points along the normal.
        own: `(N,) bool`, the points that lie on it.
        table_like: Whether it bounds the scan, reaches its border, and something smaller stands on
            it; a plate alone can look like that.
    """

    normal: Array
    offset: float
    own: NDArray[np.bool_]
    table_like: bool

    @property
    def share(self) -> float:
        """Of the points, those that lie on it."""
        return float(self.own.mean())


def largest_plane(points: FloatArray, *, seed: int = 0) -> SupportingPlane | None:
    """Find the plane that holds most points of a scan.

    Args:
        points: `(N, 3)` in any unit.
        seed: Of the points that are tried.

    Returns:
        The plane; `None` where none holds a quarter of the points.
    """
    if len(points) < 3:
        return None
    exact = points.astype(np.float64)
    spacing = max(typical_spacing(points), 1e-9 * float(np.ptp(exact, axis=0).max()))
    found = _tried(exact, 0.5 * spacing, np.random.default_rng(seed))
    if found is None:
        return None
    normal, offset = found
    for _ in range(3):
        near = np.abs(exact @ normal - offset) < 1.5 * spacing
        normal, offset = _fitted(exact[near], normal)
    height = exact @ normal - offset
    noise = 1.4826 * float(np.median(np.abs(height[np.abs(height) < 1.5 * spacing])))
    cut = max(_SPREAD * noise, 1e-6 * spacing)
    if float(np.mean(np.abs(height) <= cut)) < _LEAST_SHARE:
        return None
    if np.sum(height > cut) < np.sum(height < -cut):
        normal, offset, height = -normal, -offset, -height
    own = np.abs(height) <= cut
    behind = float(np.mean(height < -cut))
    plane = SupportingPlane(normal, offset, own, False)
    return replace(plane, table_like=behind <= _WRONG_SIDE and _carries(exact, plane))


def _tried(
    points: Array, near: float, generator: np.random.Generator
) -> tuple[Array, float] | None:
    sample = points[random_subsample(len(points), min(_SAMPLE, len(points)), generator)]
    corners = sample[generator.integers(0, len(sample), (_TRIES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    usable = lengths > 0
    if not usable.any():
        return None
    normals = normals[usable] / lengths[usable, None]
    offsets = (normals * corners[usable, 0]).sum(1)
    counts = (np.abs(sample @ normals.T - offsets) < near).sum(0)
    best = int(counts.argmax())
    return normals[best], float(offsets[best])


def _fitted(points: Array, normal: Array) -> tuple[Array, float]:
    if len(points) < 3:
        return normal, float((points @ normal).mean()) if len(points) else 0.0
    middle = points.mean(0)
    fitted = np.linalg.svd(np.cov((points - middle).T))[0][:, 2]
    fitted = fitted if fitted @ normal > 0 else -fitted
    return fitted, float(fitted @ middle)


def _carries(points: Array, plane: SupportingPlane) -> bool:
    """Whether the plane reaches the border of the scan, and what stands on it does not fill it."""
    flat = points @ _axes(plane.normal)
    whole, own = _area(flat), _area(flat[plane.own])
    above = ~plane.own
    if above.mean() < LEAST_LEFT:
        return False
    return own >= _LEAST_BORDER * whole and _area(flat[above]) <= _MOST_FOOTPRINT * whole


def _axes(normal: Array) -> Array:
    """Two directions in a plane, `(3, 2)`."""
    return np.asarray(np.linalg.svd(normal[None])[2][1:].T)


def _hull(flat: Array) -> Array | None:
    try:
        return np.asarray(flat[ConvexHull(flat).vertices])
    except (QhullError, ValueError):
        return None


def _area(flat: Array) -> float:
    hull = _hull(flat)
    if hull is None:
        return 0.0
    x, y = hull.T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def same_table(clouds: Sequence[FloatArray], planes: Sequence[SupportingPlane]) -> bool:
    """Whether planes of several scans are one table, on which the part lay elsewhere each time.

    Args:
        clouds: `(N_i, 3)`, as they lie in the frame of the sensor.
        planes: One of each.
    """
    if len(planes) < 2 or not all(plane.table_like for plane in planes):
        return False
    first, axes = planes[0], _axes(planes[0].normal)
    outlines = [cloud.astype(np.float64) @ axes for cloud in clouds]
    side = float(np.ptp(outlines[0], axis=0).max())
    reaches = np.array([_reach(flat) for flat in outlines])
    away = []
    for cloud, flat, plane in zip(clouds, outlines, planes, strict=True):
        if float(plane.normal @ first.normal) < _SAME_ANGLE:
            return False
        apart = cloud[plane.own].astype(np.float64) @ first.normal - first.offset
        if abs(float(np.median(apart))) > _MOVED * side / _FIRMLY:
            return False
        middle = (flat.max(axis=0) + flat.min(axis=0)) / 2
        away.append(float(np.linalg.norm(np.median(flat[~plane.own], axis=0) - middle)))
    moved = max(away) - min(away)
    return moved > max(_MOVED * side, _FIRMLY * float(np.ptp(reaches, axis=0).max()))


def _reach(flat: Array) -> Array:
    """How far an outline reaches in each of some directions, `(32,)`."""
    angles = np.linspace(0, 2 * np.pi, _DIRECTIONS, endpoint=False)
    return np.asarray((flat @ np.stack([np.cos(angles), np.sin(angles)])).max(axis=0))


@dataclass(frozen=True, eq=False)
class Tables:
    """What good scans stand on.

    Attributes:
        planes: One of each scan, to be taken out, `None` where it has none; empty where nothing is
            to be taken out.
        said: A sentence for the owner of the scans, "" where there is nothing to say.
    """

    planes: Sequence[SupportingPlane | None] = ()
    said: str = ""


def tables_of(clouds: Sequence[FloatArray], remove: bool | None) -> Tables:
    """Find what is to be taken out of good scans.

    Args:
        clouds: `(N_i, 3)`, as they lie in the frame of the sensor.
        remove: What the owner says; `None` takes out what is sure to be a table.
    """
    if remove is False:
        return Tables()
    planes = [largest_plane(cloud) for cloud in clouds]
    there = [plane for plane in planes if plane is not None and (remove or plane.table_like)]
    number = f"{len(there)} of {len(clouds)} good scans"
    if remove and not there:
        return Tables((), "No table was found in the good scans: no plane holds much of one.")
    if 2 * len(there) < len(clouds) or not there:
        return Tables()
    share = f"a plane with {float(np.median([plane.share for plane in there])):.0%} of the points"
    if remove is None and not (len(there) == len(clouds) and same_table(clouds, there)):
        return Tables(
            (),
            f"In {number} {share} reaches the border, and something smaller stands on it. If that "
            "is a table, give --remove-table yes; it is kept, since a plate with something on it "
            "looks the same (--remove-table no says that it is one).",
        )
    why = "as asked for" if remove else "since the part lies elsewhere on it each time"
    return Tables(
        planes,
        f"The table, {share}, was taken out of {number}, {why}; it is taken out of scans that are "
        "judged, too (--remove-table no keeps it).",
    )


def on_table(points: FloatArray, extent: float) -> SupportingPlane | None:
    """The table of a scan of which it is known that parts stand on one.

    Args:
        points: `(N, 3)`, in the unit of the good scans.
        extent: Longest side of the largest good part, without its table.

    Returns:
        The plane; `None` where the scan is no larger than a part or shows no plane.
    """
    if len(points) < 3:
        return None
    if float(np.ptp(points.astype(np.float64), axis=0).max()) <= _OTHER_SIZE * extent:
        return None
    return largest_plane(points)
