"""What `predict` prints: where the thresholds come from, and a line per cloud."""

from __future__ import annotations

from collections.abc import Sequence

from plane_anomalib.cli.terminal import say
from plane_anomalib.inspection.inputs import Source
from plane_anomalib.inspection.predicting import Judge
from plane_anomalib.inspection.result import Region
from plane_anomalib.inspection.results_folder import Entry
from plane_anomalib.inspection.summary import FailedFile

_LONGEST_NAME = 40
_NO_DECISION = (
    "This detector has no threshold, so it gives scores and no decisions. For decisions, make one "
    "with `plane-anomalib train GOOD... --out RUN`, or train with validation data in anomalib."
)


def heading(detector: Judge) -> list[str]:
    """Who judges, and by which thresholds."""
    about = detector.model_name
    if detector.categories:
        about += f", trained on {', '.join(detector.categories)}"
    lines = [f"Detector {detector.run}: {about}"]
    if detector.threshold is None:
        lines.append(_NO_DECISION)
    else:
        limit = detector.threshold
        lines.append(f"Anomaly from a score of {limit.value:.4g} on: {limit.origin}")
    if detector.point_threshold is not None:
        limit = detector.point_threshold
        lines.append(f"Anomalous points from {limit.value:.4g} on: {limit.origin}")
    return lines


class Answers:
    """Prints what is found in each cloud.

    Args:
        detector: Who judges.
        sources: What is judged.
    """

    def __init__(self, detector: Judge, sources: Sequence[Source]) -> None:
        self._units = "" if detector.card is None else detector.card.units
        self._limit = detector.threshold
        names = [len(source.name) for source in sources]
        self._width = min(max(names, default=0), _LONGEST_NAME)

    def tell(self, entry: Entry) -> None:
        """Print what was found in one file."""
        if isinstance(entry, FailedFile):
            say(f"  not judged: {entry.reason}")
        else:
            score = f"{entry.score:.4g}"
            if self._limit is not None:
                sign = ">=" if entry.decision == "anomaly" else "<"
                score = f"{entry.decision:7}  {score} {sign} {self._limit.value:.4g}"
            parts = [f"{entry.name:{self._width}}  {score}", *self._found(entry.regions)]
            if entry.nearest_good is not None:
                parts.append(f"nearest good scan {entry.nearest_good}")
            if entry.dropped:
                parts.append(f"{entry.dropped} points without finite coordinates left out")
            say("  " + "; ".join(parts))

    def _found(self, regions: Sequence[Region]) -> list[str]:
        """The largest region: where, how large, how high."""
        if not regions:
            return []
        largest, units = regions[0], f" {self._units}" if self._units else ""
        where = ", ".join(f"{value:.4g}" for value in largest.center)
        text = f"at ({where}), {largest.diameter:.3g}{units} across, {largest.share:.1%} of points"
        if largest.height is not None:
            side = "too much" if largest.height > 0 else "missing"
            text += f", {abs(largest.height):.3g}{units} {side}"
        more = len(regions) - 1
        return [text, *([f"{more} more region{'s' if more > 1 else ''}"] if more else [])]
