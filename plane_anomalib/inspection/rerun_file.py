"""Judged clouds as a recording for the Rerun viewer."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from plane_anomalib.core.errors import ConfigurationError, MissingDependencyError
from plane_anomalib.core.files import replaced
from plane_anomalib.inspection.comparison import LaidScan
from plane_anomalib.inspection.pages import ViewedCloud
from plane_anomalib.web.colours import DEFECT, NEUTRAL, ScoreScale, mask_colours

SUFFIX = ".rrd"


def _rerun() -> Any:
    try:
        import rerun
    except ImportError as error:
        raise MissingDependencyError("rerun-sdk", "rerun", "to write a .rrd file") from error
    return rerun


def no_rerun_file() -> nullcontext[None]:
    """What stands in for a recording that nobody asked for."""
    return nullcontext()


class RerunFile:
    """A recording that is whole once its block is left, or not there.

    Args:
        path: A `.rrd` file to make or replace.

    Raises:
        ConfigurationError: The name ends in something else.
        MissingDependencyError: `rerun-sdk` is not installed.
    """

    def __init__(self, path: Path) -> None:
        if path.suffix.lower() != SUFFIX:
            raise ConfigurationError(f"--rerun {path}: the file's name must end in {SUFFIX}.")
        self._path = path
        self._sdk = _rerun()
        self._stack = ExitStack()

    def __enter__(self) -> RerunFile:
        """Open the file."""
        temporary = self._stack.enter_context(replaced(self._path))
        self._recording = self._sdk.RecordingStream("plane_anomalib")
        # Leaving closes the stream before the file gets its name.
        self._stack.callback(self._recording.disconnect)
        self._recording.save(temporary)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file; after an error there is none."""
        self._stack.__exit__(kind, error, trace)

    def add(self, subject: ViewedCloud, scale: ScoreScale, good: LaidScan | str) -> None:
        """Log a cloud with all its points: map, regions, ground truth and good scan if known.

        Args:
            subject: The cloud.
            scale: Score colours.
            good: The good scan beside it, or why there is none.
        """
        rr, cloud, name = self._sdk, subject.cloud, subject.name
        map_colours = scale.colours(cloud.scores)
        self._log([name, "map"], rr.Points3D(cloud.points, colors=map_colours))
        values = rr.AnyValues(score=cloud.scores, region=cloud.region)
        self._log([name, "map"], values)
        if subject.regions:
            centers = [region.center for region in subject.regions]
            half = [np.array(region.size) / 2 for region in subject.regions]
            labels = [f"region {i}" for i in range(1, len(subject.regions) + 1)]
            boxes = rr.Boxes3D(centers=centers, half_sizes=half, labels=labels)
            self._log([name, "regions"], boxes)
        if cloud.truth is not None:
            colours = mask_colours(cloud.truth, DEFECT)
            self._log([name, "ground truth"], rr.Points3D(cloud.points, colors=colours))
        if isinstance(good, LaidScan):
            self._log([name, "good scan"], rr.Points3D(good.points, colors=[NEUTRAL]))

    def _log(self, place: list[str], what: Any) -> None:
        self._recording.log(place, what, static=True)
