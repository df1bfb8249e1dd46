"""A detector out of good scans: fitted or trained, with thresholds, its folder whole or not there.

RUN/model.ckpt and the rest of a detector's folder are described in `card`. While a model that has
steps is trained, RUN.unfinished holds its last checkpoint, and goes with the end of the training.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError
from plane_anomalib.core.files import replaced_folder
from plane_anomalib.core.progress import Progress
from plane_anomalib.core.provenance import config_hash, hardware, software_versions, weights_hash
from plane_anomalib.core.results import Component
from plane_anomalib.core.typed_data import TypedDataError, load_strict, to_plain, write_json
from plane_anomalib.data.clouds import CloudReader, CloudTable, SampleRow
from plane_anomalib.data.settings import LoaderSettings
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.inspection.card import (
    GOOD_FOLDER,
    MODEL_FILE,
    DetectorCard,
    DetectorError,
    check_out,
)
from plane_anomalib.inspection.detector import Detector, load
from plane_anomalib.inspection.inputs import CloudFile, Clouds, as_clouds
from plane_anomalib.inspection.result import Threshold
from plane_anomalib.inspection.scans import GoodScan, read_good_scans
from plane_anomalib.inspection.thresholds import (
    LearntMethod,
    check_good_enough,
    held_out_scores,
    labelled_scores,
    with_thresholds,
)
from plane_anomalib.inspection.training_plan import TrainingPlan, TrainOptions, decide
from plane_anomalib.metrics.thresholds import ScoreThreshold
from plane_anomalib.models.components.checkpoints import open_checkpoint, save_checkpoint
from plane_anomalib.models.components.method import Method, TrainedMethod, TrainingRun
from plane_anomalib.models.components.scores import write_arrays
from plane_anomalib.web.shown_cloud import even_subset, seed_of

logger = logging.getLogger(__name__)

GOOD_POINTS = 40_000
LAST = "last.ckpt"
_PLAN_FILE = "order.json"
_OPTIMISTIC = (
    "One good scan only: how good parts differ is not known, so the thresholds are optimistic and "
    "good parts may be called anomalous; give more good scans."
)
_WHOLE = (
    "Thresholds were found on whole scans, and scans of one side may score a little otherwise: "
    "look at the scores of good ones before you trust decisions."
)


class TrainingStoppedError(PlaneAnomalibError):
    """Ctrl-C during a training.

    Args:
        unfinished: Where its last checkpoint lies; `None` if there is none yet.
    """

    def __init__(self, unfinished: Path | None) -> None:
        self.unfinished = unfinished
        super().__init__(
            "Stopped before the first checkpoint: nothing is kept."
            if unfinished is None
            else f"Stopped; the last checkpoint is {unfinished / LAST}."
        )


def train(
    scans: Clouds,
    out: str | Path | None = None,
    options: TrainOptions | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Detector:
    """Make a detector out of good scans.

    Args:
        scans: Files, folders or patterns of good scans, or arrays `(N, 3)`, in any one unit.
        out: The detector's folder; by default a temporary one that goes with the detector.
        options: The model, its arguments and what is known of the scans.
        overwrite: Replace a detector that lies at `out`.
        progress: Is told how far it is.

    Raises:
        DatasetError: No scan can be used; what is odd about one is logged.
        DetectorError: Something else lies at `out`.
        ConfigurationError: There is no such model or argument.

    Examples:
        >>> flat = [np.random.default_rng(i).uniform(-9, 9, (300, 2)) for i in range(3)]
        >>> plates = [np.column_stack([xy, np.cos(xy / 4).sum(1)]) for xy in flat]
        >>> raw = {"descriptor": "raw"}
        >>> quick = plane_anomalib.TrainOptions(model="BTF", settings=raw, anyway=True)
        >>> plane_anomalib.train(plates, options=quick).categories
        ('part',)
    """
    plan, good = _planned(as_clouds(scans), options or TrainOptions())
    if out is not None:
        make_detector(plan, good, Path(out), overwrite=overwrite, progress=progress)
        return load(out)
    home = Path(tempfile.mkdtemp(prefix="plane_anomalib_"))
    make_detector(plan, good, home / "detector", progress=progress)
    detector = load(home / "detector")
    weakref.finalize(detector, shutil.rmtree, home, ignore_errors=True)
    return detector


def _planned(
    clouds: Sequence[CloudFile], options: TrainOptions
) -> tuple[TrainingPlan, list[GoodScan]]:
    options.component()  # before any scan is read
    read = read_good_scans(
        clouds,
        units=options.units,
        remove_table=options.remove_table,
        anyway=options.anyway,
        options=options.read,
    )
    for sentence in [*read.failed, *read.warnings, *read.decided]:
        logger.warning("%s", sentence)
    if options.name is None and all(cloud.points is not None for cloud in clouds):
        options = replace(options, name="part")
    return decide(read.scans, options, decided=read.decided), read.scans


def unfinished_folder(out: Path) -> Path:
    """Where a training towards the folder `out` keeps its checkpoint until it has ended."""
    return out.with_name(f"{out.name}.unfinished")


def make_detector(
    plan: TrainingPlan,
    scans: Sequence[GoodScan],
    out: Path,
    *,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> DetectorCard:
    """Learn from good scans and write a detector's folder, whole or not at all.

    Args:
        plan: What to learn.
        scans: Good scans.
        out: The folder; a training keeps its checkpoint in `unfinished_folder(out)`.
        overwrite: Replace a detector that lies there.
        resume: Go on with the training that was stopped.
        progress: Is told how far it is.

    Returns:
        What the folder says of itself.

    Raises:
        DetectorError: Something else lies at `out`, or there is nothing to go on with.
        TrainingStoppedError: Ctrl-C was pressed in a training.
        ConfigurationError: The model cannot be fitted on these scans.
        PoorDetectorError: It calls many good scans anomalous.
    """
    check_out(out, overwrite=overwrite)
    started, created = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    learnt = learn(plan, scans, unfinished_folder(out), progress, resume=resume)
    with replaced_folder(out) as folder:
        file = folder / MODEL_FILE
        save_checkpoint(file, learnt.method, learnt.threshold, learnt.point_threshold)
        _keep_good(scans, folder / GOOD_FOLDER)
        seconds = round(time.perf_counter() - started, 3)
        card = replace(_card(plan, scans, learnt, folder), created=created, seconds=seconds)
        card.write(folder)
    shutil.rmtree(unfinished_folder(out), ignore_errors=True)
    return card


def learn(
    plan: TrainingPlan,
    scans: Sequence[GoodScan],
    unfinished: Path,
    progress: Progress | None = None,
    *,
    resume: bool = False,
) -> LearntMethod:
    """Fit or train, and find thresholds.

    Args:
        plan: What to learn.
        scans: Good scans.
        unfinished: Where a training keeps its checkpoint.
        progress: Is told how far it is.
        resume: Go on with the training that was stopped.

    Raises:
        DetectorError: There is nothing to go on with, or it is of another plan.
        TrainingStoppedError: Ctrl-C was pressed in a training.
        ConfigurationError: The model cannot be fitted on these scans.
        PoorDetectorError: It calls many good scans anomalous.
    """
    method, progress = plan.make(), progress or Progress()
    if isinstance(method, TrainedMethod):
        if resume:
            _check_resumable(plan, unfinished)
        else:
            shutil.rmtree(unfinished, ignore_errors=True)
        _keep_plan(plan, unfinished)
        learnt = _train(method, plan, scans, unfinished, progress, resume=resume)
    elif resume:
        raise DetectorError(f"{plan.model} is fitted at once: leave out --resume.")
    else:
        learnt = _fit(method, plan, scans, progress)
    if len(scans) == 1:
        learnt.notes.insert(0, _OPTIMISTIC)
    kept = _kept_checkpoint(unfinished)
    check_good_enough(learnt, anyway=plan.anyway, resumable=kept)
    return learnt


def _kept_checkpoint(unfinished: Path) -> bool:
    """Whether there is one to go on with; a folder without one goes."""
    if (unfinished / LAST).is_file():
        return True
    shutil.rmtree(unfinished, ignore_errors=True)
    return False


def _fit(
    method: Method, plan: TrainingPlan, scans: Sequence[GoodScan], progress: Progress
) -> LearntMethod:
    collection, origin = held_out_scores(plan, scans, progress)
    progress.start("Fitting on all good scans", 1)
    method.fit([(plan.category, [scan.points for scan in scans])])
    if method.transductive:
        raise ConfigurationError(
            f"{plan.model} with these arguments scores a cloud by comparing it with a whole test "
            "set, which one cloud is not: leave out --set preset=... or --set fusion=..."
        )
    learnt = with_thresholds(method, collection, origin, near_normal=True)
    progress.advance()
    return learnt


def _train(
    method: TrainedMethod,
    plan: TrainingPlan,
    scans: Sequence[GoodScan],
    unfinished: Path,
    progress: Progress,
    *,
    resume: bool,
) -> LearntMethod:
    """Train on some scans, and find thresholds on synthetic defects of the others."""
    rows = [SampleRow(scan.card.path, "train", 0, plan.category, "good") for scan in scans]
    points = {scan.card.path: scan.points for scan in scans}
    table = CloudTable(rows, _ScanReader(point_truth=False, points=points), seed=plan.seed)
    kept, held = table.split(LoaderSettings().val_split_ratio)
    validation = held.synthetic()
    run = TrainingRun(
        common_pose=plan.common_pose,
        one_sided=plan.one_sided,
        progress=progress,
        checkpoint=unfinished / LAST,
        resume=resume,
    )
    try:
        method.to("cuda" if torch.cuda.is_available() else "cpu")
        method.fit([(plan.category, [cloud.points for cloud in kept])], run)
        collection = labelled_scores(method, validation, progress)
    except KeyboardInterrupt as error:
        there = _kept_checkpoint(unfinished)
        raise TrainingStoppedError(unfinished if there else None) from error
    good = sum(row.label_index == 0 for row in validation.rows)
    where = f"{len(held)} scan{'s' if len(held) > 1 else ''} held out of the training"
    if len(scans) == 1:
        where = "the only scan, on which it was trained as well"
    origin = f"{good} draws and {len(validation) - good} synthetic defects of {where}"
    learnt = with_thresholds(method.cpu(), collection, origin)
    learnt.notes.extend([_WHOLE] if plan.one_sided else [])
    return learnt


@dataclass(frozen=True)
class _ScanReader(CloudReader):
    """Gives the scans that have been read already."""

    points: Mapping[str, FloatArray] = field(default_factory=dict)

    def __call__(self, row: SampleRow) -> tuple[FloatArray, NDArray[np.bool_] | None]:
        points = self.points[row.image_path]
        return points, np.zeros(len(points), np.bool_) if self.point_truth else None


def _signature(plan: TrainingPlan) -> Any:
    plain = to_plain(plan)
    return {key: value for key, value in plain.items() if key not in ("choices", "anyway")}


def _keep_plan(plan: TrainingPlan, unfinished: Path) -> None:
    write_json(unfinished / _PLAN_FILE, _signature(plan))


def _check_resumable(plan: TrainingPlan, unfinished: Path) -> None:
    if not (unfinished / LAST).is_file():
        raise DetectorError(f"{unfinished / LAST} is not there: leave out --resume to begin anew.")
    try:
        before = load_strict((unfinished / _PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TypedDataError) as error:
        raise DetectorError(
            f"{unfinished / _PLAN_FILE}: cannot be read ({error}); leave out --resume."
        ) from error
    now = _signature(plan)
    different = [key for key in now if not isinstance(before, dict) or before.get(key) != now[key]]
    if different:
        names = ", ".join("good scans" if key == "data_hash" else key for key in different)
        raise DetectorError(
            f"{unfinished}: its training began with other {names}: repeat that command with "
            "--resume, or leave out --resume to begin anew."
        )


def _card(
    plan: TrainingPlan, scans: Sequence[GoodScan], learnt: LearntMethod, folder: Path
) -> DetectorCard:
    # Read back: what is described is what lies there, and it can be opened.
    opened = open_checkpoint(folder / MODEL_FILE)
    write_arrays(folder / MODEL_FILE, opened)
    component = Component(plan.model, plan.arguments)
    return DetectorCard(
        model=plan.model,
        arguments=plan.arguments,
        category=plan.category,
        scans=[scan.card for scan in scans],
        units=plan.units,
        common_pose=plan.common_pose,
        one_sided=plan.one_sided,
        threshold=_in_words(opened.threshold, learnt.origin),
        point_threshold=_in_words(opened.point_threshold, learnt.origin),
        choices=[*plan.choices, *learnt.notes],
        seed=plan.seed,
        seconds=0.0,
        created="",
        versions=software_versions(),
        hardware=hardware(),
        config_hash=config_hash(component, Component("good scans"), plan.seed),
        data_hash=plan.data_hash,
        weights_hash=weights_hash(opened.state),
        usual_point_score=learnt.usual,
        without_table=plan.without_table,
        reading=plan.read,
    )


def _in_words(found: ScoreThreshold, origin: str) -> Threshold | None:
    if not np.isfinite(found.value) or found.source == "none":
        return None
    rule = "best F1 on" if found.source == "f1" else "just above a high quantile of the scores of"
    return Threshold(found.value, f"{rule} {origin}")


def _keep_good(scans: Sequence[GoodScan], folder: Path) -> None:
    folder.mkdir()
    for scan in scans:
        np.savez(folder / f"{scan.card.name}.npz", points=_thinned(scan))


def _thinned(scan: GoodScan) -> FloatArray:
    kept = even_subset(scan.points, GOOD_POINTS, seed=seed_of(scan.card.name))
    return scan.points[kept]
