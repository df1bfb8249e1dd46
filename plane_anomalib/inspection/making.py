"""A detector's folder out of good scans, whole or not at all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from plane_anomalib.core.files import replaced_folder
from plane_anomalib.core.progress import Progress
from plane_anomalib.core.provenance import config_hash, hardware, software_versions, weights_hash
from plane_anomalib.core.results import Component
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.inspection.card import (
    CARD_FILE,
    GOOD_FOLDER,
    MODEL_FILE,
    DetectorCard,
    DetectorError,
)
from plane_anomalib.inspection.learning import TrainedModel, learn, thresholds_of
from plane_anomalib.inspection.opening import open_checkpoint
from plane_anomalib.inspection.quiet import quiet_lightning
from plane_anomalib.inspection.scans import GoodScan
from plane_anomalib.inspection.training_plan import TrainingPlan
from plane_anomalib.web.shown_cloud import even_subset, seed_of

GOOD_POINTS = 40_000
_OURS = {MODEL_FILE, CARD_FILE, GOOD_FOLDER}


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse a place that holds something else, before any work is done.

    Raises:
        DetectorError: A detector lies there that may not be replaced, or anything else.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise DetectorError(f"{out} is a file: give --out a folder that is not there yet.")
    held = {path.name for path in out.iterdir()}
    if not held:
        return
    if CARD_FILE not in held:
        raise DetectorError(
            f"{out} is no detector's folder and is left alone: give --out a folder that is not "
            "there yet."
        )
    if not overwrite:
        raise DetectorError(
            f"{out} holds a detector already: give --overwrite to replace it, or another --out."
        )
    if other := sorted(held - _OURS):
        raise DetectorError(
            f"{out} holds {other[0]!r} beside a detector, which would be lost: move it away, or "
            "give another --out."
        )


def make_detector(
    plan: TrainingPlan,
    scans: Sequence[GoodScan],
    out: Path,
    *,
    unfinished: Path,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
) -> DetectorCard:
    """Learn from good scans and write a detector's folder, whole or not at all.

    Args:
        plan: What to learn.
        scans: Good scans.
        out: The folder.
        unfinished: Where a training keeps its checkpoint until it has ended.
        overwrite: Replace a detector that lies there.
        resume: Go on with the training that was stopped.
        progress: Is told how far it is.

    Returns:
        What the folder says of itself.

    Raises:
        DetectorError: Something else lies at `out`, or there is nothing to go on with.
        TrainingStoppedError: Ctrl-C was pressed in a training.
        ConfigurationError: The model cannot be fitted on these scans.
    """
    check_out(out, overwrite=overwrite)
    started, created = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    trained = learn(plan, scans, unfinished, progress or Progress(), resume=resume)
    with replaced_folder(out) as folder:
        save_checkpoint(trained.model, folder / MODEL_FILE)
        _keep_good(scans, folder / GOOD_FOLDER)
        card = _card(plan, scans, trained, folder)
        card = replace(card, created=created, seconds=round(time.perf_counter() - started, 3))
        card.write(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    return card


def save_checkpoint(model: Any, file: Path) -> None:
    """Write a model as Lightning does, without what only a training needs."""
    from lightning.pytorch import Trainer

    with quiet_lightning():
        trainer = Trainer(
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.strategy.connect(model)
        trainer.save_checkpoint(file, weights_only=True)


def _card(
    plan: TrainingPlan, scans: Sequence[GoodScan], trained: TrainedModel, folder: Path
) -> DetectorCard:
    # Read back: what is described is what lies there, and it can be opened.
    opened = open_checkpoint(folder / MODEL_FILE, model=None, arguments={})
    threshold, point_threshold = thresholds_of(trained.model, trained.origin)
    component = Component(plan.model, plan.arguments)
    return DetectorCard(
        model=plan.model,
        arguments=plan.arguments,
        category=plan.category,
        scans=[scan.card for scan in scans],
        units=plan.units,
        common_pose=plan.common_pose,
        one_sided=plan.one_sided,
        threshold=threshold,
        point_threshold=point_threshold,
        choices=[*plan.choices, *trained.notes],
        seed=plan.seed,
        seconds=0.0,
        created="",
        versions=software_versions(),
        hardware=hardware(),
        config_hash=config_hash(component, Component("good scans"), plan.seed),
        data_hash=plan.data_hash,
        weights_hash=weights_hash(opened.state_dict()),
    )


def _keep_good(scans: Sequence[GoodScan], folder: Path) -> None:
    folder.mkdir()
    for scan in scans:
        np.savez(folder / f"{scan.card.name}.npz", points=_thinned(scan))


def _thinned(scan: GoodScan) -> FloatArray:
    kept = even_subset(scan.points, GOOD_POINTS, seed=seed_of(scan.card.name))
    return scan.points[kept]
