"""What `predict` prints: where the thresholds come from, a line per cloud, and how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from plane_anomalib.inspection.inputs import Source
from plane_anomalib.inspection.predicting import Judge
from plane_anomalib.inspection.result import Region
from plane_anomalib.inspection.results_folder import Entry
from plane_anomalib.inspection.summary import FailedFile

_EVERY_SECONDS = 30.0
_LONGEST_NAME = 40
_NO_DECISION = (
    "This detector has no threshold, so it gives scores and no decisions. For decisions, make one "
    "with `plane-anomalib train GOOD... --out RUN`, or train with validation data in anomalib."
)


def say(*lines: str) -> None:
    """Write lines to stdout at once, whatever characters are in the names of files."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "".join(f"{line}\n" for line in lines)
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


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


class Lines:
    """Prints what is found, and tells how long it will take.

    Lines go to stdout. A bar with the time left goes to stderr if that is a terminal; elsewhere
    a line now and then.

    Args:
        detector: Who judges.
        sources: What is judged.
    """

    def __init__(self, detector: Judge, sources: Sequence[Source]) -> None:
        self._units = "" if detector.card is None else detector.card.units
        self._limit = detector.threshold
        names = [len(source.name) for source in sources]
        self._width = min(max(names, default=0), _LONGEST_NAME)
        self._done, self._total = 0, len(sources)
        console = Console(stderr=True)
        self._plain = not console.is_terminal
        self._bar = Progress(
            TextColumn("Judging"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=self._plain,
            transient=True,
            # Lines that go to a file must stay on their way there.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("", total=self._total)
        self._begun = self._told = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

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
        self._advance()

    def _found(self, regions: Sequence[Region]) -> list[str]:
        """The largest region: where, how large, how high."""
        if not regions:
            return []
        largest, units = regions[0], f" {self._units}" if self._units else ""
        where = ", ".join(f"{value:.4g}" for value in largest.centre)
        text = f"at ({where}), {largest.diameter:.3g}{units} across, {largest.share:.1%} of points"
        if largest.height is not None:
            side = "too much" if largest.height > 0 else "missing"
            text += f", {abs(largest.height):.3g}{units} {side}"
        more = len(regions) - 1
        return [text, *([f"{more} more region{'s' if more > 1 else ''}"] if more else [])]

    def _advance(self) -> None:
        self._done += 1
        self._bar.advance(self._task)
        now = time.monotonic()
        if self._plain and now - self._told > _EVERY_SECONDS and self._done < self._total:
            self._told = now
            left = (now - self._begun) / self._done * (self._total - self._done)
            sys.stderr.write(f"{self._done} of {self._total} files, about {_in_words(left)} left\n")


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
