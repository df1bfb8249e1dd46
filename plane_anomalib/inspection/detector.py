"""A trained model as a function: points in, what it says of them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plane_anomalib.inspection.card import DetectorCard
from plane_anomalib.inspection.result import Array, Inspection, Threshold


class Detector:
    """A trained model that judges clouds; safe to call from several threads, one at a time inside.

    Make one with `load`.

    Attributes:
        run: The folder or checkpoint it was loaded from.
        model_name: Registered name of the model.
        categories: What it was trained on; empty where the model does not know.
        card: How it was made; `None` for a checkpoint of `anomalib train`.
        threshold: Of objects, `None` where it has none.
        point_threshold: Of points.
        weights_hash: SHA-256 over the model's state.
    """

    run: Path
    model_name: str
    categories: tuple[str, ...]
    card: DetectorCard | None
    threshold: Threshold | None
    point_threshold: Threshold | None
    weights_hash: str

    def __call__(
        self, points: Array, *, category: str | None = None, compare: bool = False
    ) -> Inspection[Array]:
        """Judge one cloud.

        Args:
            points: `(N, 3)`, numpy or torch, in the units of the good scans.
            category: What the object is, for a model of many; by default the only one.
            compare: Look for the nearest good scan, too, for `nearest_good` and the regions'
                heights: takes about a second.

        Returns:
            Scores of the object and of every point, in input order.

        Raises:
            ConfigurationError: No `(N, 3)` finite points, or a category the model does not know.
        """
        raise NotImplementedError

    def good_scan(self, name: str) -> Any:
        """`(M, 3) float32` points of the (thinned) good scan of that name."""
        raise NotImplementedError


def load(
    run: str | Path, *, model: str | None = None, device: str = "cpu", **arguments: Any
) -> Detector:
    """Load a detector.

    Args:
        run: What `plane-anomalib train SCANS` made, a run folder of `anomalib train`, or a
            checkpoint.
        model: Registered name of the model, for a checkpoint that does not say.
        device: Where to compute.
        arguments: Of the model, instead of the checkpoint's.

    Raises:
        DetectorError: There is no detector, or it is damaged.
    """
    raise NotImplementedError
