"""Turn what `predict` wrote into pages and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError
from plane_anomalib.core.files import replaced, unique_stems
from plane_anomalib.core.units import in_words
from plane_anomalib.formats.io import POINT_SUFFIXES
from plane_anomalib.formats.labels import read_mask
from plane_anomalib.inspection.cloud_files import JudgedCloud
from plane_anomalib.inspection.comparison import GoodScanOverlay
from plane_anomalib.inspection.pages import (
    ViewedCloud,
    ViewFinder,
    cloud_page,
    shown_cloud,
    shown_indices,
)
from plane_anomalib.inspection.rerun_file import RerunFile, no_rerun_file
from plane_anomalib.inspection.result import Threshold
from plane_anomalib.inspection.results_folder import (
    SUMMARY_FILE,
    CloudSummary,
    FailedFile,
    Summary,
    SummaryError,
)
from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.pages import render_page
from plane_anomalib.web.pictures import (
    Panel,
    cloud_picture,
    save_png,
    thumbnail,
    what_matters,
)
from plane_anomalib.web.shown_cloud import view_rotation

_DECISIONS = {
    "anomaly": "Anomaly",
    "not judged": "Not judged",
    "normal": "Normal",
    None: "No decision",
}


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
        words={
            "anomaly": "anomalous",
            "not judged": "not judged",
            "normal": "normal",
            None: "without a decision",
        },
        failed=[*_unscored(summary), *failed],
        left=len(summary.left),
    )


def _decision(entry: IndexEntry) -> str | None:
    return None if entry.known is None else entry.known.decision


def _order(entry: IndexEntry) -> tuple[int, float, str]:
    score = 0.0 if entry.known is None else entry.known.score or 0.0
    return [*_DECISIONS].index(_decision(entry)), -score, entry.name


def _unscored(summary: Summary) -> list[FailedFile]:
    """Scans that have no page, since they were not scored."""
    return [
        FailedFile(cloud.path, f"{cloud.path}: not judged. {cloud.reason}")
        for cloud in summary.clouds
        if cloud.score is None
    ]


def _words(threshold: Threshold | None) -> str:
    if threshold is None:
        return "The detector has no threshold: nothing was decided."
    return f"A cloud with a score of {threshold.value:.4g} or more is called anomalous " + (
        f"({threshold.origin})."
    )


VIEW_FOLDER = "view"
THUMBNAILS = "thumbnails"
_LEAST_SIZE, _LARGEST_SIZE = 64, 4096


@dataclass(frozen=True)
class ViewOptions:
    """How clouds are shown.

    Attributes:
        num_points: The most points of a page and a picture.
        view: Azimuth and elevation in degrees of the first view and the pictures; `None` looks at
            what matters in each cloud.
        scale: The scores of the coldest and the hottest colour, the same for all clouds; `None`
            takes the results' own.
        size: Side of a picture's panel in pixels.
        run: The detector's folder; `None` takes the one that the results name.
        truth: A folder with a ground-truth file for clouds of the same stem; `None` takes what
            the results hold.
        rerun: A `.rrd` file to write as well.

    Raises:
        ConfigurationError: A value cannot work.

    Examples:
        >>> options = plane_anomalib.ViewOptions(size=96, view=(30.0, 20.0))
        >>> len(plane_anomalib.view(results, options=options).failed)
        0
    """

    num_points: int = 60_000
    view: tuple[float, float] | None = None
    scale: tuple[float, float] | None = None
    size: int = 480
    run: Path | None = None
    truth: Path | None = None
    rerun: Path | None = None

    def __post_init__(self) -> None:
        if self.num_points < 1:
            raise ConfigurationError(f"--points is {self.num_points}; at least 1 is needed.")
        if not _LEAST_SIZE <= self.size <= _LARGEST_SIZE:
            raise ConfigurationError(
                f"--size is {self.size}; a panel has {_LEAST_SIZE} to {_LARGEST_SIZE} pixels."
            )
        numbers = [*(self.view or ()), *(self.scale or ())]
        if not np.isfinite(numbers).all():
            raise ConfigurationError("--view and --scale take finite numbers.")
        if self.scale is not None and not self.scale[0] < self.scale[1]:
            low, high = self.scale
            raise ConfigurationError(f"--scale {low:g} {high:g}: LOW must be below HIGH.")
        if self.truth is not None and not self.truth.is_dir():
            raise ConfigurationError(f"--truth {self.truth}: there is no such folder.")


@dataclass(frozen=True)
class ViewPages:
    """What was written.

    Attributes:
        index: The list of all clouds; `None` for a single file.
        pages: A page for each cloud.
        failed: Clouds that could not be shown.

    Examples:
        >>> [page.name for page in plane_anomalib.view(results).pages]
        ['cloud0.html']
    """

    index: Path | None
    pages: list[Path]
    failed: list[FailedFile]


@dataclass(frozen=True)
class _ViewJob:
    """One cloud to show: its `.npz`, the stem of what is written, and what is known of it."""

    file: Path | None
    stem: str
    name: str
    known: CloudSummary | None


def view(
    results: str | Path,
    out: str | Path | None = None,
    options: ViewOptions | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> ViewPages:
    """Write pages and pictures; they need no network.

    Args:
        results: A folder that `predict` wrote, or one `.npz` of it.
        out: Where to; by default `view` in the folder of results, or beside a file that no folder
            of results knows.
        options: How.
        report: Called with a line after each cloud.

    Returns:
        What was written. A cloud that cannot be shown is told there, and the others are shown.

    Raises:
        PlaneAnomalibError: There are no such results, or an option cannot work.

    Examples:
        >>> pages = plane_anomalib.view(results)
        >>> pages.index.name, len(pages.pages)
        ('index.html', 1)
    """
    options = options or ViewOptions()
    opened = _opened(Path(results))
    folder = opened.folder if out is None else Path(out)
    writer = _PageWriter(folder, options, opened.summary, listed=opened.listed)
    with RerunFile(options.rerun) if options.rerun is not None else no_rerun_file() as recording:
        entries = list(writer.write_all(opened.jobs, recording, report))
    index = None
    if opened.listed and opened.summary is not None:
        index = folder / "index.html"
        text = index_page(opened.summary, entries, [*opened.summary.failed, *writer.failed])
        with replaced(index) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return ViewPages(index, [folder / entry.page for entry in entries], writer.failed)


@dataclass(frozen=True)
class _OpenedResults:
    """What there is to show: where to, by default, and whether a list of all clouds is wanted."""

    jobs: list[_ViewJob]
    summary: Summary | None
    folder: Path
    listed: bool


def _opened(source: Path) -> _OpenedResults:
    if source.suffix.lower() != ".npz" or source.is_dir():
        summary = Summary.read(source)
        return _OpenedResults(_jobs(source, summary), summary, source / VIEW_FOLDER, listed=True)
    home = source.parent.parent
    if (home / SUMMARY_FILE).is_file():
        summary = Summary.read(home)
        jobs = [
            job
            for job in _jobs(home, summary)
            if job.file and job.file.resolve() == source.resolve()
        ]
        if jobs:
            return _OpenedResults(jobs, summary, home / VIEW_FOLDER, listed=False)
    job = _ViewJob(source, source.stem, source.stem, None)
    return _OpenedResults([job], None, source.parent, listed=False)


def _jobs(home: Path, summary: Summary) -> list[_ViewJob]:
    # "index" is taken by the list itself.
    stems = unique_stems(["index", *(cloud.name for cloud in summary.clouds)])[1:]
    return [
        _ViewJob(
            home / cloud.files["npz"] if "npz" in cloud.files else None, stem, cloud.name, cloud
        )
        for stem, cloud in zip(stems, summary.clouds, strict=True)
        if cloud.score is not None
    ]


class _PageWriter:
    """Shows one cloud after the other; only what the index needs of them stays in memory."""

    def __init__(
        self, folder: Path, options: ViewOptions, summary: Summary | None, *, listed: bool
    ) -> None:
        self.folder, self.options, self.summary, self.listed = folder, options, summary, listed
        self.failed: list[FailedFile] = []
        # A folder that is named by hand is believed to be the right one.
        if summary is None or options.run is not None:
            self.comparison = GoodScanOverlay(options.run)
        else:
            detector = summary.detector
            self.comparison = GoodScanOverlay(Path(detector.run), detector.weights_hash)

    def write_all(
        self, jobs: Sequence[_ViewJob], recording: RerunFile | None, report: Callable[[str], None]
    ) -> Iterator[IndexEntry]:
        for number, job in enumerate(jobs, 1):
            try:
                entry = self._write(job, recording)
            except PlaneAnomalibError as error:
                self.failed.append(FailedFile(str(job.file or job.name), str(error)))
                report(f"[{number}/{len(jobs)}] {job.name}: not shown: {error}")
                continue
            report(f"[{number}/{len(jobs)}] {job.name}: {self.folder / entry.page}")
            yield entry

    def _write(self, job: _ViewJob, recording: RerunFile | None) -> IndexEntry:
        subject = self._subject(job)
        scale = self._scale(subject)
        chosen = shown_indices(subject, self.options.num_points)
        shown = shown_cloud(subject, chosen)
        named = None if job.known is None else job.known.nearest_good
        good = self.comparison.beside(subject.cloud.points, named)
        lookout = ViewFinder(shown, None if isinstance(good, str) else good.points)
        if self.options.view is None:
            rotation = lookout.rotation(what_matters(shown, scale))
        else:
            rotation = view_rotation(*self.options.view)
        shown = replace(shown, rotation=rotation)
        index = "index.html" if self.listed else None
        text = cloud_page(subject, shown, chosen, scale, good, lookout=lookout, index=index)
        page = self.folder / f"{job.stem}.html"
        with replaced(page) as temporary:
            temporary.write_text(text, encoding="utf-8")
        panels: tuple[Panel, ...] = ("input", "truth", "score")
        picture = cloud_picture(shown, scale, panels=panels, size=self.options.size)
        save_png(picture, self.folder / f"{job.stem}.png")
        small = f"{THUMBNAILS}/{job.stem}.png"
        if self.listed:
            save_png(thumbnail(shown, scale), self.folder / small)
        if recording is not None:
            recording.add(subject, scale, good)
        return IndexEntry(job.name, page.name, small, job.known)

    def _subject(self, job: _ViewJob) -> ViewedCloud:
        if job.file is None:
            raise SummaryError(
                f"{job.name}: has no .npz to show; predict again with npz among the --formats."
            )
        cloud = JudgedCloud.read(job.file)
        if self.summary is None or job.known is None:
            return ViewedCloud(job.name, job.file.name, self._with_truth(cloud, job.name))
        known, detector = job.known, self.summary.detector
        return ViewedCloud(
            known.name,
            known.path,
            self._with_truth(cloud, Path(known.path).stem),
            score=known.score,
            decision=known.decision,
            reason=known.reason,
            notes=known.notes,
            threshold=detector.threshold,
            point_threshold=detector.point_threshold,
            regions=known.regions,
            units=in_words(detector.units) if detector.units else "",
            model=detector.model,
        )

    def _with_truth(self, cloud: JudgedCloud, stem: str) -> JudgedCloud:
        if self.options.truth is None:
            return cloud
        suffixes = sorted(POINT_SUFFIXES)
        files = [self.options.truth / f"{stem}{suffix}" for suffix in suffixes]
        file = next((file for file in files if file.is_file()), None)
        return cloud if file is None else replace(cloud, truth=read_mask(file, cloud.points))

    def _scale(self, subject: ViewedCloud) -> ScoreScale:
        own = subject.point_threshold
        value = None if own is None else own.value
        if self.options.scale is not None:
            low, high = self.options.scale
            inside = value is not None and low < value < high
            center = value if value is not None and inside else (low + high) / 2
            return ScoreScale(low, center, high, value if inside else None)
        if self.summary is not None and self.summary.scale is not None:
            return self.summary.scale
        scores: NDArray[np.float32] = subject.cloud.scores
        return ScoreScale.fit([scores], value)
