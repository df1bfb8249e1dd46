"""The good scan beside a judged cloud, laid onto it; or a sentence why there is none."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.inspection.card import CARD_FILE, GOOD_FOLDER, DetectorCard, DetectorError

if TYPE_CHECKING:
    from plane_anomalib.inspection.good_scans import GoodScans


@dataclass(frozen=True, eq=False)
class LaidScan:
    """A good scan as it lies beside a cloud.

    Attributes:
        name: Of the good scan.
        points: `(M, 3) float32`, in the frame of the cloud.
        note: How it was laid there, in words.
    """

    name: str
    points: NDArray[np.float32]
    note: str


class Comparison:
    """Lays the good scans of a detector onto clouds.

    Args:
        run: The detector's folder; `None` if no one knows it.
        weights_hash: Of the detector that judged; `None` where it is not known.
    """

    def __init__(self, run: Path | None, weights_hash: str | None = None) -> None:
        self._scans: GoodScans | None = None
        self._why = ""
        # Of the scan that `predict` has named, alone: finding it again would cost more.
        self._single: dict[str, GoodScans] = {}
        try:
            self._scans = _opened(run, weights_hash)
        except DetectorError as error:
            self._why = f"No good scan to compare with: {error}"

    def beside(self, points: NDArray[np.float32], name: str | None) -> LaidScan | str:
        """Lay the nearest good scan onto a cloud.

        Args:
            points: `(N, 3) float32`.
            name: The nearest scan if it is known; `None` finds it.

        Returns:
            The scan, or a sentence why there is none.
        """
        if self._scans is None:
            return self._why
        scans = self._scans if name is None else self._alone(self._scans, name)
        found = scans.nearest(points)
        if found is None:
            return "No good scan to compare with: the cloud fits none of them."
        way = "starting as they lie" if scans.common_pose else "by registration"
        return LaidScan(found.name, found.points, f"laid onto the cloud, {way}")

    def _alone(self, scans: GoodScans, name: str) -> GoodScans:
        if name not in scans.scans:
            return scans
        if name not in self._single:
            one = {name: scans.scans[name]}
            self._single[name] = type(scans)(one, common_pose=scans.common_pose)
        return self._single[name]


def _opened(run: Path | None, weights_hash: str | None) -> GoodScans:
    """The good scans of a detector's folder.

    Raises:
        DetectorError: There are none, or they are not of the detector that judged.
    """
    if run is None or not (run / CARD_FILE).is_file():
        missing = "the detector's folder is not known" if run is None else f"{run} is no detector"
        raise DetectorError(f"{missing}; name its folder with --run.")
    card = DetectorCard.read(run)
    if weights_hash is not None and card.weights_hash != weights_hash:
        raise DetectorError(f"{run} holds another detector than the one that judged.")
    with warnings.catch_warnings(record=True):  # anomalib's imports warn of their own future
        from plane_anomalib.inspection.good_scans import GoodScans
    scans = GoodScans.read(run / GOOD_FOLDER, common_pose=card.common_pose)
    if not scans.scans:
        raise DetectorError(f"{run / GOOD_FOLDER} holds none.")
    return scans
