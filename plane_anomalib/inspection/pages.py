"""One cloud as a page: its map, regions and good scan, to be looked at without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.geometry.neighbours import knn
from plane_anomalib.inspection.cloud_files import JudgedCloud
from plane_anomalib.inspection.comparison import LaidScan
from plane_anomalib.inspection.regions import Region
from plane_anomalib.inspection.result import Decision, Threshold
from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.pages import (
    finite,
    packed,
    packed_cloud,
    packed_palette,
    packed_scale,
    packed_steps,
    render_page,
    score_limits,
)
from plane_anomalib.web.shown_cloud import ShownCloud, best_rotation, even_subset, seed_of

_POINTS = 3_000
_BLOCKING = 20_000
"""Points of the good scan: enough that nothing is seen between them."""
_NEAR = 0.06
_ONE_SIDED = 0.15


class ViewFinder:
    """Chooses views of a cloud.

    A scan of one side is an open shell, and looking into it is as easy as looking at it; the part
    itself was seen from outside. So what the good scan has and the cloud has not stands in the way
    of a view.

    Args:
        cloud: The cloud.
        good: `(M, 3) float32`, the good scan laid onto it; `None` if there is none.
    """

    def __init__(self, cloud: ShownCloud, good: NDArray[np.float32] | None) -> None:
        self._cloud = cloud
        self._rest = np.empty((0, 3), np.float32)
        if good is not None:
            rest = _unseen(cloud.points, good)
            if len(rest) > _ONE_SIDED * min(len(good), _BLOCKING):
                self._rest = rest

    def rotation(self, weights: NDArray[np.floating] | None) -> NDArray[np.float32]:
        """The rotation `(3, 3)` from which most of what matters is seen.

        Args:
            weights: `(N,)`, how much each point matters; `None`: all the same.
        """
        if not len(self._rest):
            return best_rotation(self._cloud, weights)
        count = len(self._cloud.points)
        known = weights is not None and bool(np.any(weights > 0))
        heavy = weights if weights is not None and known else np.ones(count)
        whole = ShownCloud(self._cloud.name, np.concatenate([self._cloud.points, self._rest]))
        return best_rotation(whole, np.concatenate([heavy, np.zeros(len(self._rest))]))


def _unseen(points: NDArray[np.float32], good: NDArray[np.float32]) -> NDArray[np.float32]:
    """What of the good scan is far from the cloud, farther than defects are deep."""
    few = points[:: max(1, len(points) // _POINTS)]
    probe = good[:: max(1, len(good) // _BLOCKING)]
    extent = float(np.ptp(good, axis=0).max())
    return probe[knn(few, probe, 1)[0][:, 0] > _NEAR * extent]


STOPS = 1000
"""Steps of the threshold slider."""
_ANOMALOUS_SHARE = 1 / 3
_VIEWS_OF_REGIONS = 16
_NO_REGION = 65535


@dataclass(frozen=True, eq=False)
class ViewedCloud:
    """What a page is about.

    Attributes:
        name: Of the cloud.
        path: Its file, as it was given.
        cloud: Points and scores.
        score: Of the object, `None` where it is not known.
        decision: `None` without a threshold.
        reason: Why it was not judged; "" where it was.
        notes: What was dropped, converted, resampled or assumed.
        threshold: Of objects.
        point_threshold: Of points.
        regions: Anomalous parts, in the order of `cloud.region`.
        units: Unit of length in words, "" where it is not known.
        model: Registered name, "" where it is not known.
    """

    name: str
    path: str
    cloud: JudgedCloud
    score: float | None = None
    decision: Decision | None = None
    reason: str = ""
    notes: Sequence[str] = ()
    threshold: Threshold | None = None
    point_threshold: Threshold | None = None
    regions: Sequence[Region] = ()
    units: str = ""
    model: str = ""

    @property
    def marked(self) -> NDArray[np.bool_]:
        """`(N,) bool`: what the detector calls anomalous."""
        if self.point_threshold is None:
            return self.cloud.region >= 0
        return self.cloud.scores.astype(np.float64) >= self.point_threshold.value

    def verdict(self) -> str:
        """Score against threshold, and the threshold's origin, in words."""
        if self.score is None:
            return "Object score and decision are not known: the file was opened alone."
        if self.reason:
            return f"Not judged. {self.reason} (Its object score would be {self.score:.4g}.)"
        if self.threshold is None:
            return f"Object score {self.score:.4g}; the detector has no threshold to hold it to."
        above = "at or above" if self.decision == "anomaly" else "below"
        return (
            f"Object score {self.score:.4g} is {above} the threshold "
            f"{self.threshold.value:.4g} ({self.threshold.origin})."
        )


def shown_indices(subject: ViewedCloud, num: int) -> NDArray[np.int64]:
    """Choose the points to show: evenly spread, anomalous ones kept before others.

    Args:
        subject: The cloud.
        num: The most points.

    Returns:
        Ascending indices, at most `num`.
    """
    points = subject.cloud.points
    if len(points) <= num:
        return np.arange(len(points))
    seed = seed_of(subject.path or subject.name)
    special = subject.marked | (subject.cloud.region >= 0)
    if subject.cloud.truth is not None:
        special |= subject.cloud.truth
    special_at, rest_at = np.flatnonzero(special), np.flatnonzero(~special)
    room = min(len(special_at), max(int(num * _ANOMALOUS_SHARE), num - len(rest_at)))
    kept = special_at[even_subset(points[special_at], room, seed=seed)]
    others = rest_at[even_subset(points[rest_at], num - len(kept), seed=seed)]
    return np.sort(np.concatenate([kept, others]))


def shown_cloud(subject: ViewedCloud, chosen: NDArray[np.int64]) -> ShownCloud:
    """The chosen points of a cloud, to be drawn.

    Args:
        subject: The cloud.
        chosen: `(M,)`, which points.
    """
    cloud = subject.cloud
    return ShownCloud(
        subject.name,
        cloud.points[chosen],
        path=subject.path,
        scores=cloud.scores[chosen],
        truth=None if cloud.truth is None else cloud.truth[chosen],
        predicted=subject.marked[chosen],
        score=subject.score,
        called_anomalous=(
            subject.decision == "anomaly" if subject.decision in ("anomaly", "normal") else None
        ),
        num_points=len(cloud.points),
    )


def cloud_page(
    subject: ViewedCloud,
    shown: ShownCloud,
    chosen: NDArray[np.int64],
    scale: ScoreScale,
    good: LaidScan | str,
    *,
    lookout: ViewFinder | None = None,
    index: str | None = None,
) -> str:
    """The page of one cloud.

    Args:
        subject: The cloud.
        shown: Its points that are shown, with the rotation to show them in.
        chosen: `(M,)`, their indices in the input.
        scale: Score colours.
        good: The good scan beside it, or a sentence why there is none.
        lookout: Chooses the views of the regions.
        index: Address of the list of all clouds, where there is one.
    """
    data = _page_data(subject, shown, chosen, scale, lookout or ViewFinder(shown, None))
    data["good"] = None if isinstance(good, str) else _good(good, len(shown.points))
    data["goodNote"] = good if isinstance(good, str) else f"{good.name}: {good.note}"
    return render_page(
        "inspection.html",
        title=subject.name,
        decision=subject.decision,
        verdict=subject.verdict(),
        facts=_facts(subject),
        notes=subject.notes,
        index=index,
        data=data,
    )


def _page_data(
    subject: ViewedCloud,
    shown: ShownCloud,
    chosen: NDArray[np.int64],
    scale: ScoreScale,
    lookout: ViewFinder,
) -> dict[str, Any]:
    """What the page's script draws of the cloud itself."""
    limits = score_limits([shown])
    return {
        "name": subject.name,
        "scale": packed_scale(scale),
        **packed_palette(),
        "scores": packed_steps(*limits),
        "cloud": packed_cloud(shown, *limits),
        "indices": packed(chosen.astype(np.uint32)),
        "regionOf": packed(_region_codes(subject.cloud.region[chosen])),
        "slider": slider(subject, scale),
        "regions": [_region(subject, lookout, chosen, i) for i in range(len(subject.regions))],
        "pointThreshold": _threshold(subject.point_threshold),
        "units": subject.units,
    }


def slider(subject: ViewedCloud, scale: ScoreScale) -> dict[str, Any]:
    """The range of the threshold slider, and how many of all points are above each of its stops.

    The counts are of the whole cloud, which the page does not hold.

    Args:
        subject: The cloud.
        scale: Score colours, the range where nothing else gives one.
    """
    scores = subject.cloud.scores.astype(np.float64)
    known = np.sort(scores[np.isfinite(scores)])
    own = subject.point_threshold
    ends = [*known[:1].tolist(), *known[-1:].tolist(), *([] if own is None else [own.value])]
    low, high = (min(ends), max(ends)) if ends else (scale.low, scale.high)
    high = high if high > low else low + 1.0
    stops = low + (high - low) * np.arange(STOPS + 1) / STOPS
    return {
        "low": low,
        "high": high,
        "stops": STOPS,
        "counts": packed(_above(known, stops).astype(np.uint32)),
        "ownCount": None if own is None else int(_above(known, np.array([own.value]))[0]),
    }


def _above(ascending: NDArray[np.float64], stops: NDArray[np.float64]) -> NDArray[np.int64]:
    return len(ascending) - np.searchsorted(ascending, stops, side="left")


def _region_codes(region: NDArray[np.int32]) -> NDArray[np.uint16]:
    inside = (region >= 0) & (region < _NO_REGION)
    return np.where(inside, region, _NO_REGION).astype(np.uint16)


def _threshold(threshold: Threshold | None) -> dict[str, Any] | None:
    return None if threshold is None else {"value": threshold.value, "origin": threshold.origin}


def _region(
    subject: ViewedCloud, lookout: ViewFinder, chosen: NDArray[np.int64], number: int
) -> dict[str, Any]:
    region = subject.regions[number]
    rotation = None
    # Finding a view takes a tenth of a second; the many specks at the end of the list do without.
    if number < _VIEWS_OF_REGIONS:
        inside = subject.cloud.region[chosen] == number
        rotation = lookout.rotation(inside.astype(np.float32)).ravel().tolist()
    return {
        "center": list(region.center),
        "size": list(region.size),
        "diameter": region.diameter,
        "points": region.num_points,
        "share": region.share,
        "peak": finite(region.peak),
        "height": finite(region.height),
        "rotation": rotation,
    }


def _good(good: LaidScan, num: int) -> dict[str, Any]:
    thinned = ShownCloud(good.name, good.points).thinned(num)
    return packed_cloud(replace(thinned, rotation=np.eye(3, dtype=np.float32)), 0.0, 1.0)


def _facts(subject: ViewedCloud) -> str:
    cloud = subject.cloud
    size = " x ".join(f"{side:.4g}" for side in np.ptp(cloud.points, axis=0).tolist())
    facts = [subject.path, f"{len(cloud.points):,} points", f"box {size}"]
    if subject.units:
        facts[-1] += f" ({subject.units})"
    if subject.model:
        facts.append(f"judged by {subject.model}")
    return ", ".join(fact for fact in facts if fact)
