"""A trained model as a function: points in, what it says of them out."""

from __future__ import annotations

import atexit
import dataclasses
import gc
import threading
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, what_was_meant
from plane_anomalib.core.provenance import weights_hash
from plane_anomalib.geometry.points import FloatArray, as_points
from plane_anomalib.inspection.card import (
    CARD_FILE,
    GOOD_FOLDER,
    MODEL_FILE,
    DetectorCard,
    DetectorError,
)
from plane_anomalib.inspection.comparison import GoodScans
from plane_anomalib.inspection.regions import (
    Region,
    anomalous_regions,
    counted_anew,
    region_level,
    with_heights,
)
from plane_anomalib.inspection.result import Array, Inspection, Threshold
from plane_anomalib.inspection.scan_checks import CheckedScan, ScanProfile, check_scan, strays
from plane_anomalib.inspection.supporting_plane import LEAST_LEFT, on_table
from plane_anomalib.metrics.thresholds import ScoreThreshold
from plane_anomalib.models.components.scores import (
    ArrayMethod,
    CloudScores,
    OpenedMethod,
    ScoringMethod,
    read_arrays,
)

# At its end Python would look through all of torch once more: nearly half a second.
atexit.register(gc.freeze)

_NO_REGION = (
    "It scores like an anomaly, but by single points that do not hang together: stray points, or "
    "noise? Clean the scan, or scan again."
)
_FROM_ABOVE = "Too much is towards larger z: nothing else tells where it was scanned from."
_NEARLY_ALL = 0.9
"""A scan that shows less of the part says so."""
_RUN_CHECKPOINT = Path("weights") / "lightning" / MODEL_FILE
_ORIGINS = {
    "f1": "best F1 on the validation set of the training",
    "normal_quantile": "just above the scores of the normal validation clouds of the training",
}


class Detector:
    """A trained method that judges clouds; may be called from several threads, which take turns.

    Make one with `load` or `train`.

    Args:
        opened: A checkpoint's method and thresholds.
        run: The folder or checkpoint it came from.
        card: How it was made; `None` for a checkpoint of `anomalib train`.

    Attributes:
        weights_hash: SHA-256 over the model's state.
        threshold: Of objects; `None` if the model has found none.
        point_threshold: Of points, likewise.

    Examples:
        >>> found = detector(torch.from_numpy(cloud))  # a tensor in, tensors out
        >>> found.decision, type(found.point_scores).__name__
        ('anomaly', 'Tensor')
    """

    def __init__(self, opened: OpenedMethod, run: Path, card: DetectorCard | None = None) -> None:
        self.run = run
        self.card = card
        self._method = _ready(opened.method)
        self._lock = threading.Lock()
        self.weights_hash = weights_hash(opened.state)
        said = (None, None) if card is None else (card.threshold, card.point_threshold)
        self.threshold = _threshold(opened.threshold, said[0])
        self.point_threshold = _threshold(opened.point_threshold, said[1])

    @property
    def model_name(self) -> str:
        """Registered name of the model."""
        return self._method.name

    @property
    def categories(self) -> tuple[str, ...]:
        """What it was trained on; empty where the model does not say."""
        return self._method.categories

    def __call__(
        self, points: Array, *, category: str | None = None, compare: bool = False
    ) -> Inspection[Array]:
        """Judge one cloud.

        Args:
            points: `(N, 3)`, numpy or torch, in the units of the good scans.
            category: What the object is, for a model of many; by default the only one.
            compare: Look for the nearest good scan as well, see `compare`.

        Returns:
            Scores of the object and of every point, in input order; `not judged` with a reason
            where the cloud is no scan of the part that can be judged.

        Raises:
            ConfigurationError: No `(N, 3)` finite points, or a category the model does not know.
        """
        cloud, known = _as_cloud(points), self._category(category)
        table = self._table(cloud)
        if table is None:
            result = self._judged(cloud, known)
        elif (~table).sum() < LEAST_LEFT * len(cloud):
            reason = "The scan shows the table only: put the part into view and scan again."
            result = self._unjudged(cloud, reason)
        else:
            result = _with_table(self._judged(cloud[~table], known), table)
        if compare:
            result = self.compare(cloud, result)
        if not hasattr(points, "detach"):
            return cast("Inspection[Array]", result)
        import torch

        as_given = cast("Inspection[Any]", result)
        values = torch.from_numpy(as_given.point_scores).to(cast("Any", points).device)
        return dataclasses.replace(as_given, point_scores=values)

    def compare(self, points: Array, inspection: Inspection[Array]) -> Inspection[Array]:
        """Say which good scan a judged cloud is nearest to, and how far its regions stand out.

        Args:
            points: `(N, 3)`, as they were judged.
            inspection: What was said of them.

        Returns:
            The same with `nearest_good` and the regions' heights, where there are good scans to
            compare with and the cloud fits them. Takes about a second.
        """
        cloud = _as_cloud(points)
        table = self._table(cloud)
        part = np.ones(len(cloud), np.bool_) if table is None else ~table
        if not np.isfinite(inspection.score) or not part.any():
            return inspection
        with self._lock:
            nearest = self.good_scans.nearest(cloud[part])
        if nearest is None:
            return inspection
        against = nearest.against
        regions = with_heights(inspection.regions, inspection.region_of_point[part], against)
        notes = inspection.notes
        if against.assumed and any(region.height is not None for region in regions):
            notes = (*notes, _FROM_ABOVE)
        return dataclasses.replace(
            inspection, regions=regions, nearest_good=nearest.name, notes=notes
        )

    @cached_property
    def good_scans(self) -> GoodScans:
        """The (thinned) good scans of a detector's folder; none for a checkpoint alone."""
        if self.card is None:
            return GoodScans({})
        return GoodScans.read(self.run / GOOD_FOLDER, common_pose=self.card.common_pose)

    @cached_property
    def _profile(self) -> ScanProfile | None:
        """What the good scans were like, where the card says."""
        return None if self.card is None else ScanProfile.of(self.card.scans, self.card.units)

    def _judged(self, cloud: FloatArray, category: str) -> Inspection[NDArray[np.float32]]:
        """What is said of a cloud that is free of the table, if it can be judged."""
        checked = check_scan(cloud, self._profile)
        if checked.reason:
            return self._unjudged(cloud, checked.reason, checked.notes)
        with self._lock, _no_gradients(self._method):
            scores = self._method(cloud[checked.kept], category)
        return self._inspection(cloud, checked, scores)

    def _inspection(
        self, cloud: FloatArray, checked: CheckedScan, scores: CloudScores
    ) -> Inspection[NDArray[np.float32]]:
        values = scores.anomaly_map.astype(np.float32, copy=False)
        score = float(np.float32(scores.pred_score))
        # Among the judged points: others may lie closer together than the good scans' do.
        judged = cloud[checked.kept]
        regions, region_of_judged, reason = self._regions(judged, values, score)
        values = checked.for_all(cloud, values, values.min())
        region_of_point = checked.for_all(cloud, region_of_judged, -1)
        regions = counted_anew(regions, region_of_point)
        notes = checked.notes
        if scores.seen is not None and scores.seen < _NEARLY_ALL:
            notes = (*notes, f"It shows {scores.seen:.0%} of the part.")
        if scores.doubt:
            reason = f"{scores.doubt[0].upper()}{scores.doubt[1:]}."
        return Inspection(
            score,
            values,
            self.threshold,
            self.point_threshold,
            regions,
            region_of_point,
            reason=reason,
            notes=notes,
            seen=scores.seen,
        )

    def _regions(
        self, cloud: FloatArray, values: NDArray[np.float32], score: float
    ) -> tuple[tuple[Region, ...], NDArray[np.int32], str]:
        """Regions, the region of each point, and why an anomaly without one is not judged."""
        usual = None if self.card is None else self.card.usual_point_score
        limit = float("inf") if self.point_threshold is None else self.point_threshold.value
        regions, region_of_point = anomalous_regions(cloud, values, limit, usual)
        called = self.threshold is not None and score >= self.threshold.value
        if not called or regions or usual is None or not np.isfinite(limit):
            return regions, region_of_point, ""
        level = region_level(cloud, values, limit, usual)
        if level is None:
            return regions, region_of_point, _NO_REGION
        return (*anomalous_regions(cloud, values, level, usual), "")

    def _table(self, cloud: FloatArray) -> NDArray[np.bool_] | None:
        """Which points lie on the table, `(N,)`; `None` where none is to be taken out."""
        if self.card is None or not self.card.without_table:
            return None
        own = np.zeros(len(cloud), np.bool_)
        scanned = ~strays(cloud)
        plane = on_table(cloud[scanned], max(scan.extent for scan in self.card.scans))
        if plane is None:
            return None
        own[scanned] = plane.own
        return own

    def _unjudged(
        self, cloud: FloatArray, reason: str, notes: tuple[str, ...] = ()
    ) -> Inspection[NDArray[np.float32]]:
        """What is said of a scan that was not scored."""
        return Inspection(
            float("nan"),
            np.full(len(cloud), np.nan, np.float32),
            self.threshold,
            self.point_threshold,
            (),
            np.full(len(cloud), -1, np.int32),
            reason=reason,
            notes=notes,
        )

    def _category(self, category: str | None) -> str:
        known = self.categories
        if category is None:
            return known[0] if len(known) == 1 else ""
        if known and category not in known:
            meant = what_was_meant(category, known, "it knows")
            raise ConfigurationError(f"The detector was not trained on {category!r}: {meant}")
        return category


def _with_table(
    result: Inspection[NDArray[np.float32]], table: NDArray[np.bool_]
) -> Inspection[NDArray[np.float32]]:
    """What was said of a part, for all points of its scan; those of the table score least."""
    scores = np.full(len(table), result.point_scores.min(), np.float32)
    region_of_point = np.full(len(table), -1, np.int32)
    scores[~table], region_of_point[~table] = result.point_scores, result.region_of_point
    note = f"{int(table.sum())} points of the table that the part stands on were left out."
    return dataclasses.replace(
        result,
        point_scores=scores,
        region_of_point=region_of_point,
        notes=(*result.notes, note),
    )


def load(
    run: str | Path, *, model: str | None = None, device: str = "cpu", **arguments: Any
) -> Detector:
    """Load a detector.

    Args:
        run: What `plane-anomalib train SCANS` made, a run folder of `anomalib train`, or a
            checkpoint.
        model: Registered name of the model, for a checkpoint that does not say.
        device: Where to compute.
        arguments: Of the model, instead of the checkpoint's (such as `backbone`, where weights
            lie elsewhere now).

    Raises:
        DetectorError: There is no detector, or it is damaged.
        ConfigurationError: The checkpoint does not say which model it is of, or was made with
            other arguments.

    Examples:
        >>> detector = plane_anomalib.load(run)
        >>> found = detector(cloud)  # (N, 3) in the units of the good scans
        >>> found.decision, found.point_scores.shape, found.point_scores.dtype
        ('anomaly', (300,), dtype('float32'))
    """
    place = Path(run).expanduser()
    card = DetectorCard.read(place) if (place / CARD_FILE).is_file() else None
    checkpoint = _checkpoint(place)
    opened = None
    if card is not None and model is None and device == "cpu" and not arguments:
        opened = read_arrays(checkpoint)
    if opened is None:
        opened = _opened_by_torch(checkpoint, model, device, arguments)
    detector = Detector(opened, place, card)
    if card is not None and card.weights_hash != detector.weights_hash:
        raise DetectorError(
            f"{checkpoint}: is not the model that {place / CARD_FILE} describes; train again."
        )
    return detector


def _opened_by_torch(
    checkpoint: Path, model: str | None, device: str, arguments: dict[str, Any]
) -> OpenedMethod:
    from plane_anomalib.models.components.checkpoints import CheckpointError, open_checkpoint

    try:
        opened = open_checkpoint(checkpoint, name=model, arguments=arguments)
    except CheckpointError as error:
        raise DetectorError(str(error)) from error
    cast("Any", opened.method).to(device)
    return opened


def _ready(method: ScoringMethod) -> ScoringMethod:
    """A method that is not trained any more."""
    if isinstance(method, ArrayMethod):
        return method
    ready: ScoringMethod = cast("Any", method).eval().requires_grad_(False)
    return ready


def _no_gradients(method: ScoringMethod) -> AbstractContextManager[Any]:
    if isinstance(method, ArrayMethod):
        return nullcontext()
    import torch

    return torch.no_grad()


def _threshold(found: ScoreThreshold, said: Threshold | None) -> Threshold | None:
    if not np.isfinite(found.value):
        return None
    origin = _ORIGINS.get(found.source, "saved with the model") if said is None else said.origin
    return Threshold(found.value, origin)


def _checkpoint(place: Path) -> Path:
    if place.is_file():
        return place
    if not place.exists():
        raise DetectorError(f"{place}: there is no such detector, run folder or checkpoint.")
    for file in (place / MODEL_FILE, place / _RUN_CHECKPOINT):
        if file.is_file():
            return file
    raise DetectorError(
        f"{place}: holds neither {MODEL_FILE} nor {_RUN_CHECKPOINT}; give what "
        "`plane-anomalib train` or `anomalib train` made."
    )


def _as_cloud(points: Any) -> FloatArray:
    given = points.detach().cpu().numpy() if hasattr(points, "detach") else points
    cloud = as_points(given)
    if not np.isfinite(cloud).all():
        raise ConfigurationError(
            f"{int((~np.isfinite(cloud).all(1)).sum())} of {len(cloud)} points are not finite: "
            "leave them out."
        )
    return cloud
