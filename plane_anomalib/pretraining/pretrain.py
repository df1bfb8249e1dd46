"""A pretraining run from the pool to the file of weights."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from plane_anomalib.backbones.encoder_files import load_point_language_model
from plane_anomalib.pretraining import checkpoint
from plane_anomalib.pretraining.config import PretrainConfig
from plane_anomalib.pretraining.export import export
from plane_anomalib.pretraining.held_out import held_out_shapes
from plane_anomalib.pretraining.pool import training_pool
from plane_anomalib.pretraining.run import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Args:
        finished: Whether all steps were done; else it can go on.
        steps: Steps done.
        metrics: On held-out shapes, if finished.
        file: The weights, if finished.
    """

    finished: bool
    steps: int
    metrics: dict[str, float]
    file: Path | None


def pretrain(
    config: PretrainConfig,
    out: Path,
    folder: Path,
    device: torch.device,
    *,
    resume: bool = False,
    start: Path | None = None,
    commit: str | None = None,
) -> Outcome:
    """Make the weights, from nothing or from a checkpoint on.

    Args:
        config: The recipe.
        out: The file to write at the end.
        folder: For the checkpoint and the log.
        device: Where to compute.
        resume: Whether to go on from the folder's checkpoint.
        start: Weights of a finished run to begin with instead of random ones.
        commit: Of the code, where git cannot say.

    Raises:
        WeightsError: There is no checkpoint that fits, or `start` has another shape.
    """
    began = time.monotonic()
    # Workers are started before the device is touched, and a wrong checkpoint is told at once.
    if resume:
        checkpoint.load(folder, config)
    first = load_point_language_model(start) if start is not None else None
    pool = training_pool(config.pool, config.train.seed)
    shapes = held_out_shapes(config)
    run = Run(config, folder, device, began)
    if first is not None:
        run.start(first)
    if resume:
        run.resume()
    logger.info(
        "%d shapes of %d families, %.1f M parameters, %s, from step %d",
        len(pool), len(set(pool.families)), sum(p.numel() for p in run.model.parameters()) / 1e6,
        device, run.progress.step,
    )  # fmt: skip
    shapes = shapes.to(device)
    finished = run.train(pool.to(device), shapes)
    run.save()
    if not finished:
        return Outcome(False, run.progress.step, {}, None)
    metrics = run.evaluate(shapes)
    with run.average.applied():
        export(run.model, out, config, run.progress, device, len(pool), metrics, commit, start)
    return Outcome(True, run.progress.step, metrics, out)
