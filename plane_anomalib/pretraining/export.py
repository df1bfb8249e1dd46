"""The weights as they go into the package."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import torch
from safetensors import safe_open

from plane_anomalib.backbones.encoder_files import save_point_language_model
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.core.hashes import sha256_of
from plane_anomalib.core.provenance import git_commit, hardware
from plane_anomalib.core.typed_data import strict_json
from plane_anomalib.core.version import __version__
from plane_anomalib.pretraining.checkpoint import PretrainingState
from plane_anomalib.pretraining.config import PretrainConfig


def export(
    model: PointLanguageModel,
    path: Path,
    config: PretrainConfig,
    progress: PretrainingState,
    device: torch.device,
    pool_size: int,
    metrics: dict[str, float],
    commit: str | None = None,
    start: Path | None = None,
) -> None:
    """Write the model as float16 with everything that is known of how it was made.

    Args:
        model: The model.
        path: The file.
        config: Of the run.
        progress: Steps and seconds.
        device: Where it was trained.
        pool_size: Shapes in the pool.
        metrics: On held-out shapes.
        commit: Of the code, where git cannot say.
        start: Weights that the run began with.
    """
    machine = hardware(device)
    metadata = {
        "recipe": strict_json(config),
        "seed": str(config.train.seed),
        "steps": str(progress.step),
        "hours": f"{progress.seconds / 3600:.3f}",
        "hardware": machine.gpu or f"{machine.cpu}, {machine.cores} cores",
        "torch": str(torch.__version__),
        "pool": f"{pool_size} shapes of {config.pool.points} points",
        "own_data": "yes" if config.pool.folder else "no",
        "held_out": strict_json(metrics),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit or git_commit(),
        "version": __version__,
        "licence": "Apache-2.0",
    }
    if start is not None:
        with safe_open(str(start), framework="pt") as file:
            metadata["start"] = strict_json({"sha256": sha256_of(start), **(file.metadata() or {})})
    model.weights = f"pretrained on procedural shapes, {progress.step} steps"
    save_point_language_model(model, path, metadata, half=True)
