"""Where a run stands, on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.files import replaced
from plane_anomalib.core.typed_data import strict_json, to_plain
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


def save(
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


def load(folder: Path, config: PretrainConfig) -> tuple[PretrainingState, dict[str, Any]]:
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
