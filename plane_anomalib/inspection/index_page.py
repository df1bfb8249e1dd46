"""The list of all clouds that were judged: pictures, decisions, scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plane_anomalib.inspection.result import Threshold
from plane_anomalib.inspection.summary import CloudSummary, FailedFile, Summary
from plane_anomalib.web.pages import render_page

_DECISIONS = {"anomaly": "Anomaly", "normal": "Normal", None: "No decision"}


@dataclass(frozen=True)
class IndexEntry:
    """One cloud of the list.

    Attributes:
        name: Of the cloud.
        page: Its page, relative to the list.
        thumbnail: Its picture, likewise.
        known: What was found in it; `None` for a file that was opened alone.
    """

    name: str
    page: str
    thumbnail: str
    known: CloudSummary | None


def index_page(
    summary: Summary, entries: Sequence[IndexEntry], failed: Sequence[FailedFile]
) -> str:
    """The page: anomalous clouds first, then by score.

    Args:
        summary: What was found.
        entries: The clouds that have a page.
        failed: Files that could not be judged or shown.
    """
    ordered = sorted(entries, key=_order)
    counts = {key: sum(_decision(entry) == key for entry in entries) for key in _DECISIONS}
    return render_page(
        "inspection_index.html",
        detector=summary.detector,
        threshold=_words(summary.detector.threshold),
        entries=ordered,
        decisions=_DECISIONS,
        counts={key: count for key, count in counts.items() if count},
        words={"anomaly": "anomalous", "normal": "normal", None: "without a decision"},
        failed=failed,
        left=len(summary.left),
    )


def _decision(entry: IndexEntry) -> str | None:
    return None if entry.known is None else entry.known.decision


def _order(entry: IndexEntry) -> tuple[bool, float, str]:
    score = 0.0 if entry.known is None else entry.known.score
    return _decision(entry) != "anomaly", -score, entry.name


def _words(threshold: Threshold | None) -> str:
    if threshold is None:
        return "The detector has no threshold: nothing was decided."
    return f"A cloud with a score of {threshold.value:.4g} or more is called anomalous " + (
        f"({threshold.origin})."
    )
