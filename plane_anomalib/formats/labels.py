"""Bring point labels from a ground-truth file onto a cloud, whatever the order of its rows."""

from __future__ import annotations

import logging
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from plane_anomalib.core.errors import PointCloudFileError
from plane_anomalib.core.units import MILLIMETRES, conversion
from plane_anomalib.formats.folders import TEXT_SUFFIXES
from plane_anomalib.formats.io import read_labelled_points, read_points
from plane_anomalib.formats.text import read_column
from plane_anomalib.geometry.neighbours import knn

logger = logging.getLogger(__name__)

TruthForm = Literal["labelled_points", "anomalous_points", "labels"]
"""What a ground-truth file holds: see `read_mask`."""

# Both benchmarks round the text's coordinates to about 1e-4 of the object; a point's spacing is
# ten to fifty times the tolerance, so another cloud's labels do not pass.
TOLERANCE = 1e-3

_OTHER_CLOUD = "the file belongs to another cloud, or to another release of the dataset"
_MOST = 0.5
_ALONE = "%s: holds %d anomalous points alone; the others of the cloud count as normal."
_INVERTED = "%s: labels %d of %d points anomalous; 1 stands for anomalous, not for good."
_SAME_SIZE = 0.005
_ELSEWHERE = "none of its anomalous rows lies on the cloud"
_LAST_COLUMN = "the last column must hold 1 for anomalous points"
_UNLABELLED = "no point is labelled anomalous, yet its cloud is one of the anomalous"


def transfer_labels(
    points: NDArray[np.float32],
    truth_points: NDArray[np.float32],
    truth_labels: NDArray[np.bool_],
    *,
    path: Path,
    tolerance: float = TOLERANCE,
) -> NDArray[np.bool_]:
    """Give each point the label of the nearest ground-truth row, whatever the rows' order.

    Of rows at one place an anomalous one wins; rows that the cloud does not have are ignored.

    Args:
        points: The cloud, `(N, 3)`.
        truth_points: The file's coordinates, `(M, 3)`.
        truth_labels: The file's labels, `(M,)`.
        path: The file, for the errors.
        tolerance: Largest distance from a point to its row, over the bounding-box diagonal.

    Returns:
        Labels in the order of `points`, `(N,)`.

    Raises:
        PointCloudFileError: No row is anomalous, or the file does not fit the cloud.
    """
    if not len(anomalous := truth_points[truth_labels]):
        raise PointCloudFileError(path, _UNLABELLED, _LAST_COLUMN)
    distance = knn(truth_points, points, 1)[0][:, 0]
    limit, worst = _reach(points, tolerance), float(distance.max())
    if worst > limit and truth_labels.all() and _lie_on(points, anomalous, limit):
        logger.warning(_ALONE, path, len(anomalous))
        return mark_nearest(points, anomalous, path=path, tolerance=tolerance)
    if worst > limit:
        reason = f"a point is {worst:.4g} away from the nearest row"
        raise _unfit(path, reason, limit, _unit_hint(points, truth_points))
    if not (mask := _at_least_as_near(anomalous, points, distance, limit)).any():
        raise PointCloudFileError(path, _ELSEWHERE, _OTHER_CLOUD)
    if mask.mean() > _MOST:
        logger.warning(_INVERTED, path, int(mask.sum()), len(mask))
    return mask


def _unfit(path: Path, reason: str, limit: float, hint: str) -> PointCloudFileError:
    reason = f"does not fit its cloud: {reason}, {limit:.4g} is allowed"
    return PointCloudFileError(path, reason, hint)


def _lie_on(points: NDArray[np.float32], anomalous: NDArray[np.float32], limit: float) -> bool:
    return bool((knn(points, anomalous, 1)[0] <= limit).all())


def _unit_hint(points: NDArray[np.float32], truth_points: NDArray[np.float32]) -> str:
    """What to do about rows that are elsewhere: mostly they are in another unit."""
    ratio = _reach(points, 1.0) / (_reach(truth_points, 1.0) or 1.0)
    for one, other in combinations(MILLIMETRES, 2):
        factor = conversion(other, one)
        if abs(max(ratio, 1 / ratio if ratio else 0.0) / factor - 1) < _SAME_SIZE:
            return f"it is {factor:g} times as large or as small: give it in the cloud's unit"
    return _OTHER_CLOUD


def _at_least_as_near(
    anomalous: NDArray[np.float32],
    points: NDArray[np.float32],
    distance: NDArray[np.float32],
    limit: float,
) -> NDArray[np.bool_]:
    """Which points have an anomalous row within the distance of their nearest row.

    A second search instead of the first one's indices, which pick any of several equally near
    rows. Its bound matters: without it, points far from every defect search the whole tree.
    """
    tree = cKDTree(anomalous, balanced_tree=False)
    near = tree.query(points, distance_upper_bound=np.nextafter(limit, np.inf))[0]
    return np.asarray(near, np.float32) <= distance


def _reach(points: NDArray[np.float32], tolerance: float) -> float:
    """A share of a cloud's bounding-box diagonal."""
    return tolerance * float(np.linalg.norm(np.ptp(points, axis=0)))


def mark_nearest(
    points: NDArray[np.float32],
    anomalous: NDArray[np.float32],
    *,
    path: Path,
    tolerance: float = TOLERANCE,
) -> NDArray[np.bool_]:
    """Label the point nearest to each of the anomalous ones, as MulSen-AD's own code does.

    Args:
        points: The cloud, `(N, 3)`.
        anomalous: Coordinates of anomalous points alone, `(M, 3)`.
        path: The ground-truth file, for messages.
        tolerance: As in `transfer_labels`. Some rows may be farther away, with a warning.

    Returns:
        Labels in the order of `points`, `(N,)`.

    Raises:
        PointCloudFileError: No anomalous point lies on the cloud.
    """
    distance, nearest = (found[:, 0] for found in knn(points, anomalous, 1))
    limit = _reach(points, tolerance)
    far = int((distance > limit).sum())
    if far == len(anomalous):
        reason = f"the nearest of its {far} rows is {float(distance.min()):.4g} away"
        raise _unfit(path, reason, limit, _OTHER_CLOUD)
    if far:
        logger.warning(
            "%s: %d of %d rows lie up to %.4g off the cloud and label its nearest points.",
            *(path, far, len(anomalous), float(distance.max())),
        )
    mask = np.zeros(len(points), np.bool_)
    mask[nearest] = True
    return mask


def read_mask(
    path: Path,
    points: NDArray[np.float32],
    *,
    tolerance: float = TOLERANCE,
    form: TruthForm = "labelled_points",
) -> NDArray[np.bool_]:
    """Read the labels of a cloud from any file that can hold them.

    Args:
        path: `"labelled_points"`: what `io.read_labelled_points` reads, in any order, or a `.npy`
            of the shape `(N,)` or text with a label per point in the cloud's own order.
            `"anomalous_points"`: text whose first columns are x y z of anomalous points alone, see
            `mark_nearest`. `"labels"`: text with one number per point in the cloud's own order,
            anomalous above 0.5.
        points: The cloud, `(N, 3)`.
        tolerance: See `transfer_labels`.
        form: Which of these it is.

    Returns:
        Labels in the order of `points`, `(N,)`.

    Raises:
        PointCloudFileError: The file cannot be read, holds no labels or does not fit the cloud.
    """
    if form == "anomalous_points":
        anomalous = read_points(path, kind="points").points
        return mark_nearest(points, anomalous, path=path, tolerance=tolerance)
    if form == "labels":
        return _labels_in_order(path, (read_column(path) > 0.5).astype(np.float64), len(points))
    column = _read_column(path) if path.suffix.lower() == ".npy" else _text_column(path)
    if column is not None:
        return _labels_in_order(path, column, len(points))
    truth = read_labelled_points(path)
    labels = np.zeros(0, np.bool_) if truth.labels is None else truth.labels
    return transfer_labels(points, truth.points, labels, path=path, tolerance=tolerance)


def _read_column(path: Path) -> NDArray[np.float64] | None:
    """The array if it is one number per point; rows of coordinates are left to `io`."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return None
    numeric = isinstance(rows, np.ndarray) and rows.dtype.kind in "bifu"
    alone = numeric and (rows.ndim == 1 or (rows.ndim == 2 and 1 in rows.shape))
    return rows.reshape(-1).astype(np.float64) if alone else None


def _text_column(path: Path) -> NDArray[np.float64] | None:
    """The numbers if there is one a line, and more lines than a number of points before a table."""
    if path.suffix.lower() not in TEXT_SUFFIXES or not path.is_file():
        return None
    with path.open("rb") as handle:
        lines = handle.read(4_096).split(b"\n")[:-1]
    rows = [line.split() for line in lines if line.strip() and not line.startswith(b"#")]
    if len(rows) < 2 or any(len(row) != 1 or not row[0].isalnum() for row in rows):
        return None
    return read_column(path)


def _labels_in_order(path: Path, labels: NDArray[np.float64], count: int) -> NDArray[np.bool_]:
    if len(labels) != count:
        reason = f"has {len(labels)} labels for a cloud of {count} usable points"
        raise PointCloudFileError(
            path, reason, "one label per point is needed, in the cloud's order"
        )
    if (labels < 0).any():
        raise PointCloudFileError(
            path,
            f"has the label {labels.min():g}, which is below 0",
            "0 is needed for normal and 1 for anomalous points",
        )
    if not (mask := labels > 0).any():
        raise PointCloudFileError(path, _UNLABELLED, "anomalous points need the label 1")
    return mask
