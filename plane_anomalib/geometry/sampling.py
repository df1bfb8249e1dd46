"""Choosing points: farthest, random, one per voxel, in an order of their own, seen from a side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.neighbours import knn
from plane_anomalib.geometry.points import FloatArray, IntArray, as_points, even_directions

if TYPE_CHECKING:
    from torch import Tensor

_ORIGIN_SQUARED_RADIUS = 1e-3
"""Points this near the origin are padding to the reference CUDA kernel, which skips them."""

# Odd constants of the SplitMix64 generator.
_MIX = np.array([0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB], dtype=np.uint64)
_CELL_IN_SPACINGS = 4.0
"""Edge of a depth-buffer cell over the median gap: about four points per cell, few are open."""
_DEPTH_IN_CELLS = 2.5
"""Seen depth below the front of a cell: walls up to 60 degrees stay, what is behind them goes."""
_STRICT_DEPTH = 1.5
"""The same where it is told whether anything is hidden, and thin walls must count."""
_DIRECTIONS = 256
_AS_MUCH, _ONE_WAY, _UPRIGHT = 0.01, 0.7, 0.3
_NEAR, _CONE, _ALL_SEEN, _FACED = 0.5, 0.5, 0.98, 0.35
_PROBED = 8_000


def farthest_point_sampling(
    points: Tensor, num: int, *, valid: Tensor | None = None, skip_origin: bool = False
) -> Tensor:
    """Pick points one by one, each the farthest from those already picked.

    Deterministic: starts at index 0 (the first valid point where a mask is given), ties go to the
    lowest index. Once every distinct point is taken, the lowest valid index repeats.

    Args:
        points: (B, N, 3) float, any device.
        num: How many to pick; may exceed N.
        valid: (B, N) bool; False excludes a point (padding) from being picked.
        skip_origin: Also exclude points with |x|^2 <= 1e-3, except as the start, as the CUDA
            kernel of the PointNet++ reference does. Changes results only for clouds that have
            points near the origin.

    Returns:
        (B, num) int64 indices into N.

    Raises:
        ConfigurationError: If the shape is not (B, N, 3), or N or `num` is zero.
    """
    if points.ndim != 3 or points.shape[-1] != 3 or points.shape[1] == 0 or num < 1:
        msg = f"Farthest point sampling needs (B, N, 3) points and num >= 1, not {points.shape}."
        raise ConfigurationError(msg)
    import torch

    points = points.detach()
    allowed = torch.ones(points.shape[:2], dtype=torch.bool, device=points.device)
    if valid is not None:
        allowed &= valid
    current = allowed.to(torch.uint8).argmax(1, keepdim=True)
    if skip_origin:
        allowed &= points.square().sum(-1) > _ORIGIN_SQUARED_RADIUS
    return _farthest_points(points, num, current, allowed)


def _farthest_points(points: Tensor, num: int, current: Tensor, allowed: Tensor) -> Tensor:
    import torch

    axes = [axis.contiguous() for axis in points.unbind(-1)]
    nearest = torch.full_like(axes[0], float("inf")).masked_fill_(~allowed, -1.0)
    picked = [current]
    # Buffers are reused: allocation and dispatch are what this loop costs.
    distance, difference = torch.empty_like(nearest), torch.empty_like(nearest)
    for _ in range(1, num):
        torch.sub(axes[0], axes[0].gather(1, current), out=difference)
        torch.mul(difference, difference, out=distance)
        for axis in axes[1:]:
            torch.sub(axis, axis.gather(1, current), out=difference)
            distance.addcmul_(difference, difference)
        torch.minimum(nearest, distance, out=nearest)
        current = _argmax(nearest)
        picked.append(current)
    return torch.cat(picked, dim=1)


def _argmax(values: Tensor) -> Tensor:
    import torch

    # The same answer; numpy's is vectorised where torch's is scalar (8 us against 1 at 12,000).
    if values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(values.numpy().argmax(1)).unsqueeze(1)
    return values.argmax(1, keepdim=True)


def random_subsample(num_points: int, num: int, generator: np.random.Generator) -> IntArray:
    """Draw `num` indices; each at most once unless there are too few points.

    Where there are too few, every point is taken once before any is taken again.

    Args:
        num_points: Size of the cloud, at least 1.
        num: How many indices.
        generator: The only source of randomness.

    Returns:
        (num,) int64, in random order.

    Raises:
        ConfigurationError: If the cloud is empty.
    """
    if num_points < 1:
        raise ConfigurationError("Cannot draw points from an empty cloud: give at least 1 point.")
    if num <= num_points:
        return generator.choice(num_points, num, replace=False, shuffle=True)
    extra = generator.integers(0, num_points, num - num_points)
    return generator.permutation(np.concatenate([np.arange(num_points), extra]))


def voxel_downsample(points: ArrayLike, voxel: float) -> IntArray:
    """Keep the first point of every occupied cell of a cubic grid.

    Args:
        points: (N, 3).
        voxel: Edge of a cell, in the units of the points.

    Returns:
        (M,) int64 ascending indices, M <= N.

    Raises:
        ConfigurationError: If `voxel` is not positive.
    """
    cloud = as_points(points)
    if not voxel > 0:
        raise ConfigurationError(f"The voxel size must be positive, not {voxel}.")
    cells = np.floor((cloud - cloud.min(0)).astype(np.float64) / voxel).astype(np.int64)
    shape = cells.max(0) + 1
    if float(np.prod(shape.astype(np.float64))) < 2**62:
        keys = (cells[:, 0] * shape[1] + cells[:, 1]) * shape[2] + cells[:, 2]
        first = np.unique(keys, return_index=True)[1]
    else:
        first = np.unique(cells, axis=0, return_index=True)[1]
    return np.sort(first).astype(np.int64)


def typical_spacing(
    points: ArrayLike, generator: np.random.Generator | None = None, *, num: int = 2048
) -> float:
    """Median distance of a point to its nearest distinct neighbour.

    Args:
        points: (N, 3).
        generator: Draws the probed points; without it they are evenly spread over the indices.
        num: How many points to probe.

    Returns:
        Distance in the units of the points; 0.0 where all points coincide.
    """
    cloud = as_points(points)
    size = min(num, len(cloud))
    if generator is None:
        probed = np.linspace(0, len(cloud) - 1, size).astype(np.int64)
    else:
        probed = random_subsample(len(cloud), size, generator)
    distances = knn(cloud, cloud[probed], min(2, len(cloud)))[0][:, -1]
    positive = distances[distances > 0]
    return float(np.median(positive)) if positive.size else 0.0


def shuffled_order(points: ArrayLike, seed: int = 0, *, first: int | None = None) -> IntArray:
    """Shuffle a cloud by a hash of its coordinates.

    The first n indices are a random subsample of the cloud that any permutation of its points
    leaves the same, so that scores made from it do not depend on the order in a file.

    Args:
        points: (N, 3).
        seed: Another seed, another order.
        first: How many indices are wanted; by default all. A few are found without sorting all.

    Returns:
        (N,) int64, or (first,) where there are more.
    """
    cloud = as_points(points)
    # Adding zero turns -0.0 into 0.0, which is the same place but other bits.
    bits = (np.ascontiguousarray(cloud, np.float32) + np.float32(0)).view(np.uint32)
    with np.errstate(over="ignore"):
        key = (np.uint64(seed) + np.uint64(1)) * _MIX[0]
        mixed = np.full(len(cloud), key, np.uint64)
        for axis in range(3):
            mixed = (mixed ^ bits[:, axis].astype(np.uint64)) * _MIX[1]
            mixed ^= mixed >> np.uint64(29)
            mixed *= _MIX[2]
            mixed ^= mixed >> np.uint64(32)
    if first is None or first >= len(cloud):
        return np.argsort(mixed, kind="stable").astype(np.int64, copy=False)
    if first < 1:
        return np.zeros(0, np.int64)
    least = np.flatnonzero(mixed <= np.partition(mixed, first - 1)[first - 1])
    return least[np.argsort(mixed[least], kind="stable")[:first]].astype(np.int64, copy=False)


def seen_from(
    points: NDArray[np.floating[Any]],
    direction: ArrayLike,
    *,
    spacing: float | None = None,
    depth: float = _DEPTH_IN_CELLS,
) -> NDArray[np.bool_]:
    """Which points are seen from far away, by a depth buffer.

    Args:
        points: `(N, 3)`.
        direction: `(3,)` unit vector towards the viewer.
        spacing: Typical distance between neighbouring points; measured if it is left out.
        depth: How far behind the nearest point of its cell a point is still seen, in cells of four
            spacings.

    Returns:
        `(N,)`; all of them where all points coincide.
    """
    toward = np.asarray(direction, np.float64)
    spacing = typical_spacing(points, num=512) if spacing is None else spacing
    if spacing <= 0:
        return np.ones(len(points), np.bool_)
    across = np.linalg.svd(toward[None])[2][1:]
    edge = _CELL_IN_SPACINGS * spacing
    flat = points @ across.T
    cells = np.floor((flat - flat.min(0)) / edge).astype(np.int64)
    keys = cells[:, 0] * (cells[:, 1].max() + 1) + cells[:, 1]
    _, owners = np.unique(keys, return_inverse=True)
    behind = -(points @ toward)
    front = np.full(owners.max() + 1, np.inf)
    np.minimum.at(front, owners, behind)
    return np.asarray(behind <= front[owners] + depth * edge)


def most_seen(points: ArrayLike, *, seed: int = 0) -> float:
    """The largest share of a cloud's points that one direction shows.

    Most of a scan that was taken from one side; about half of a whole object, whose far side is
    hidden whichever way one looks. Free of units, and of density from 8,000 points on, of which so
    many are looked at.

    Args:
        points: `(N, 3)`.
        seed: Of the points that are looked at.

    Returns:
        A share.

    Raises:
        ConfigurationError: The cloud is empty or not `(N, 3)`.
    """
    cloud = as_points(points)
    generator = np.random.default_rng(seed)
    probed = cloud[random_subsample(len(cloud), min(_PROBED, len(cloud)), generator)]
    # Centered in double precision: clouds may lie far from the origin.
    centered = probed.astype(np.float64)
    centered -= centered.mean(0)
    spacing = typical_spacing(centered.astype(np.float32), num=512)
    return max(
        float(seen_from(centered, direction, spacing=spacing, depth=_STRICT_DEPTH).mean())
        for direction in even_directions(_DIRECTIONS)
    )


_ONE_SIDED_FROM = {1_000: 0.755, 2_000: 0.72, 4_000: 0.675, 8_000: 0.645}
"""Share of the points that one direction shows, by the number of points: what lies in front hides
less where it is sparse. Among clouds made as Real3D-AD's and Anomaly-ShapeNet's are, whole objects
show up to 0.59 of 8,000 points and 0.70 of 2,000, single views at least 0.69 and 0.74; of 1,000
points the two overlap where walls are thin."""


def is_one_sided(points: FloatArray) -> bool:
    """Whether a cloud is what a scanner saw from one side, rather than a whole object.

    Plates and vessels with walls thinner than a few times the distance of their points look
    one-sided: their two faces cannot be told apart.

    Args:
        points: `(N, 3)` in any units.
    """
    numbers, limits = np.log(list(_ONE_SIDED_FROM)), list(_ONE_SIDED_FROM.values())
    return most_seen(points) >= float(np.interp(np.log(len(points)), numbers, limits))


class Viewer(NamedTuple):
    """Where a scan of one side was taken from.

    Attributes:
        toward: `(N, 3) float32` unit vectors from its points; `None` where nothing tells.
        assumed: Whether larger z was taken for it, since nothing else tells.
    """

    toward: FloatArray | None
    assumed: bool = False


def toward_viewer(points: FloatArray) -> Viewer:
    """Where a scan of one side was taken from.

    A camera at the origin, if the scan lies before it and all of it is seen from there; else the
    directions from which more is seen than from the opposite ones. Sheets of which both sides
    show everything are height maps: they are seen from where z is larger.

    Args:
        points: `(N, 3)`, one side of something.

    Returns:
        The directions; none for a sheet that stands upright, whose sides cannot be told apart.
    """
    cloud = as_points(points)
    exact = cloud.astype(np.float64)
    generator = np.random.default_rng(0)
    probed = exact[random_subsample(len(exact), min(_PROBED, len(exact)), generator)]
    spacing = typical_spacing(probed.astype(np.float32), num=512)
    if _before_a_camera(probed, spacing):
        rays = exact / np.linalg.norm(exact, axis=1, keepdims=True)
        return Viewer((-rays).astype(np.float32))
    directions = even_directions(_DIRECTIONS)
    centered = probed - probed.mean(0)
    shares = np.array(
        [seen_from(centered, d, spacing=spacing, depth=_STRICT_DEPTH).mean() for d in directions]
    )
    toward = directions[shares > shares.max() - _AS_MUCH].mean(0)
    assumed = bool(np.linalg.norm(toward) < _ONE_WAY)
    if assumed:
        toward = np.array([0.0, 0.0, 1.0])
        across = np.linalg.eigh(centered.T @ centered)[1][:, 0]
        if abs(across @ toward) < _UPRIGHT:
            return Viewer(None)
    toward = toward / np.linalg.norm(toward)
    return Viewer(np.broadcast_to(toward.astype(np.float32), cloud.shape), assumed)


def _before_a_camera(points: NDArray[np.float64], spacing: float) -> bool:
    """Whether a camera at the origin can have taken a scan."""
    away = np.linalg.norm(points, axis=1)
    extent = float(np.ptp(points, axis=0).max())
    if away.min() < _NEAR * extent:
        return False
    rays = points / away[:, None]
    middle = rays.mean(0) / np.linalg.norm(rays.mean(0))
    if (rays @ middle).min() < _CONE:
        return False
    # Along the rays themselves: in the plane before the camera, and by the distance from it.
    across = np.linalg.svd(middle[None])[2][1:]
    scale = float(np.median(away))
    flat = np.column_stack([scale * (rays @ across.T) / (rays @ middle)[:, None], -away])
    seen = seen_from(flat, [0.0, 0.0, 1.0], spacing=spacing, depth=_STRICT_DEPTH).mean()
    normals = np.linalg.eigh((points - points.mean(0)).T @ (points - points.mean(0)))[1]
    return bool(seen > _ALL_SEEN and abs(normals[:, 0] @ middle) > _FACED)
