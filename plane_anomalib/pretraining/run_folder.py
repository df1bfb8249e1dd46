"""What a run leaves on disk: where it stands, what it said, and the weights at its end."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from plane_anomalib.backbones.encoder_files import save_point_language_model
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.files import replaced, sha256_of
from plane_anomalib.core.provenance import git_commit, hardware
from plane_anomalib.core.typed_data import strict_json, to_plain
from plane_anomalib.core.version import __version__
from plane_anomalib.pretraining.config import PretrainConfig

_NAME = "checkpoint.pt"
_FORMAT = "plane-anomalib pretraining, version 1"
#: What may differ when a run goes on: it changes no number.
_FREE = {
    ("train", "minutes"),
    ("train", "log_every"),
    ("train", "checkpoint_minutes"),
    ("train", "evaluate_every"),
    ("pool", "workers"),
    ("pool", "cache"),
}


@dataclass(frozen=True)
class PretrainingState:
    """How far a run is.

    Args:
        step: Steps done.
        steps: Steps in all, as the learning rate's schedule has it.
        seconds: Spent so far, over all sessions.
    """

    step: int
    steps: int
    seconds: float


def save_checkpoint(
    folder: Path, config: PretrainConfig, progress: PretrainingState, states: Mapping[str, Any]
) -> Path:
    """Write a checkpoint, whole or not at all.

    No generator's state is in it: each step makes its own from the seed and its number.

    Args:
        folder: Of the run.
        config: Of the run.
        progress: How far it is.
        states: State dicts by name.

    Returns:
        The file.
    """
    path = folder / _NAME
    content = {
        "format": _FORMAT,
        "config": strict_json(config),
        "progress": to_plain(progress),
        "states": dict(states),
    }
    with replaced(path) as temporary:
        torch.save(content, temporary)
    return path


def load_checkpoint(
    folder: Path, config: PretrainConfig
) -> tuple[PretrainingState, dict[str, Any]]:
    """Read a checkpoint.

    Args:
        folder: Of the run.
        config: It must be that of the run that wrote it, but for what changes no number.

    Raises:
        WeightsError: There is none, it is damaged, or of another configuration.
    """
    path = folder / _NAME
    if not path.is_file():
        raise WeightsError(f"{path}: there is no checkpoint to go on from.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != _FORMAT:
            raise WeightsError(f"{path}: this checkpoint is of another version.")
        progress = PretrainingState(**content["progress"])
    except (RuntimeError, KeyError, TypeError, EOFError, OSError, ValueError) as error:
        raise WeightsError(f"{path}: this is no complete checkpoint ({error}).") from error
    different = _differences(content["config"], config)
    if different:
        raise WeightsError(
            f"{path}: this run was begun with another configuration; different: "
            f"{', '.join(different)}."
        )
    return progress, content["states"]


def _differences(stored: str, config: PretrainConfig) -> list[str]:
    import json

    before, now = json.loads(stored), json.loads(strict_json(config))
    return [
        f"{part}.{name}"
        for part in sorted(before.keys() | now.keys())
        for name in sorted(before.get(part, {}).keys() | now.get(part, {}).keys())
        if (part, name) not in _FREE
        and before.get(part, {}).get(name) != now.get(part, {}).get(name)
    ]


class TrainingLog:
    """Collects losses on the device and looks at them once in a while.

    Args:
        path: CSV file; rows are appended.
        every: Steps between rows.
        write: Takes the lines.
    """

    def __init__(self, path: Path, every: int, write: Callable[[str], None]) -> None:
        self.path, self.every, self.write = path, every, write
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._since = time.monotonic()

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take a step's losses in, without waiting for them."""
        for name, value in values.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._count += 1

    def due(self, step: int) -> bool:
        """Whether a row is due after so many steps."""
        return step % self.every == 0

    def report(self, state: PretrainingState, rate: float, left: float) -> None:
        """Write the means since the last row, which waits for the device.

        Args:
            state: Where the run stands.
            rate: Learning rate.
            left: Seconds expected until it ends.
        """
        if not self._count:
            return
        names = list(self._sums)
        values = (torch.stack([self._sums[n] for n in names]) / self._count).tolist()
        now = time.monotonic()
        speed = self._count / max(1e-9, now - self._since)
        row = {
            "step": state.step,
            "seconds": round(state.seconds, 1),
            "steps_per_second": round(speed, 2),
            "learning_rate": f"{rate:.3g}",
        }
        row |= {name: f"{value:.5f}" for name, value in zip(names, values, strict=True)}
        self._append(row)
        losses = " ".join(f"{name} {value:.3f}" for name, value in zip(names, values, strict=True))
        self.write(
            f"step {state.step}/{state.steps}  {losses}  lr {rate:.1e}  {speed:.1f} steps/s  "
            f"{left / 60:.1f} min left"
        )
        self._sums, self._count, self._since = {}, 0, now

    def _append(self, row: Mapping[str, object]) -> None:
        new = not self.path.is_file()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)


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
    metadata = _provenance(config, progress, device, pool_size)
    metadata |= {"held_out": strict_json(metrics), "commit": commit or git_commit()}
    if start is not None:
        with safe_open(str(start), framework="pt") as file:
            metadata["start"] = strict_json({"sha256": sha256_of(start), **(file.metadata() or {})})
    model.weights = f"pretrained on procedural shapes, {progress.step} steps"
    save_point_language_model(model, path, metadata, half=True)


def _provenance(
    config: PretrainConfig, progress: PretrainingState, device: torch.device, pool_size: int
) -> dict[str, str]:
    machine = hardware(device)
    return {
        "recipe": strict_json(config),
        "seed": str(config.train.seed),
        "steps": str(progress.step),
        "hours": f"{progress.seconds / 3600:.3f}",
        "hardware": machine.gpu or f"{machine.cpu}, {machine.cores} cores",
        "torch": str(torch.__version__),
        "pool": f"{pool_size} shapes of {config.pool.points} points",
        "own_data": "yes" if config.pool.folder else "no",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "version": __version__,
        "licence": "Apache-2.0",
    }
