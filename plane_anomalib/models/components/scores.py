"""What a method says of one cloud, and methods that say it without torch.

Beside a checkpoint of such a method lies a file of the same arrays: importing torch takes longer
than judging a scan. The file counts only while the checkpoint is the one that it was made from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.configured import flat_arguments, from_arguments, to_arguments
from plane_anomalib.core.files import replaced
from plane_anomalib.core.registry import METHODS
from plane_anomalib.metrics.thresholds import ScoreThreshold

ARRAYS_FILE = "model.safetensors"
"""Beside a checkpoint: what it holds, as arrays."""
_DETECTOR = "model.detectors.0."
_ABOUT = "plane_anomalib"


class CloudScores(NamedTuple):
    """What a method says of one cloud.

    Attributes:
        anomaly_map: `(N,) float32`, one score per point, in input order.
        pred_score: The object's score.
        seen: Which share of the part's surface the cloud shows, from 0 to 1; `None` where the
            method cannot tell.
        doubt: Why the method cannot vouch for these scores, as a clause that follows "not judged,
            because", such as `it fits the good scans in two poses`; "" where it can.
    """

    anomaly_map: NDArray[np.float32]
    pred_score: float
    seen: float | None = None
    doubt: str = ""


class ScoringMethod(Protocol):
    """A method that has learnt, with torch or without.

    Attributes:
        name: Registered name.
        arguments: All its arguments by name, as plain data.
        categories: What it was fitted or trained on.
    """

    name: str
    arguments: dict[str, Any]
    categories: tuple[str, ...]

    def __call__(self, cloud: NDArray[np.float32], category: str = "") -> CloudScores:
        """Score every point of a cloud `(N, 3) float32` of a category."""


@dataclass
class ArrayMethod:
    """A method of one category that scores without torch, see `ScoringMethod`."""

    name: str
    arguments: dict[str, Any]
    categories: tuple[str, ...]
    judge: Callable[[NDArray[np.float32]], CloudScores]

    def __call__(self, cloud: NDArray[np.float32], category: str = "") -> CloudScores:
        """Score every point of a cloud; there is one category to score it as."""
        del category
        return self.judge(cloud)


@dataclass(frozen=True, eq=False)
class OpenedMethod:
    """What a checkpoint holds.

    Attributes:
        method: The method, as it was when it was saved.
        threshold: Of objects; its value is nan where none was found.
        point_threshold: Of points, likewise.
        state: The whole state dict as it lies in the file, for `core.provenance.weights_hash`.
    """

    method: ScoringMethod
    threshold: ScoreThreshold = field(default_factory=ScoreThreshold)
    point_threshold: ScoreThreshold = field(default_factory=ScoreThreshold)
    state: Mapping[str, Any] = field(default_factory=dict, repr=False)


def write_arrays(checkpoint: Path, opened: OpenedMethod) -> None:
    """Write beside a checkpoint what it holds, if its method needs no torch to judge by that.

    Args:
        checkpoint: The file, complete.
        opened: What `open_checkpoint` found in it.
    """
    method = opened.method
    if method.name not in METHODS.names or len(method.categories) != 1:
        return
    if not getattr(METHODS.entry(method.name).load(), "judge", ""):
        return
    from safetensors.numpy import save

    arrays, rest = {}, {}
    for name, value in opened.state.items():
        if hasattr(value, "detach"):
            arrays[name] = np.array(value.detach().cpu().numpy(), order="C")
        else:
            rest[name] = value
    about = {
        "checkpoint": _digest(checkpoint),
        "model": method.name,
        "arguments": method.arguments,
        "category": method.categories[0],
        "thresholds": [vars(opened.threshold), vars(opened.point_threshold)],
        "rest": rest,
    }
    with replaced(checkpoint.with_name(ARRAYS_FILE)) as temporary:
        temporary.write_bytes(save(arrays, metadata={_ABOUT: json.dumps(about)}))


def read_arrays(checkpoint: Path) -> OpenedMethod | None:
    """Open a checkpoint by the arrays beside it, without torch.

    Args:
        checkpoint: The file that the arrays are of.

    Returns:
        What `open_checkpoint` would find; None where there are no arrays, or where they are damaged
        or those of another checkpoint, which then has to be opened itself.

    Raises:
        ConfigurationError: The method cannot be made with the arguments it has.
    """
    file = checkpoint.with_name(ARRAYS_FILE)
    if not file.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="np") as content:
            about = json.loads((content.metadata() or {})[_ABOUT])
            state: dict[str, Any] = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
        if about["checkpoint"] != _digest(checkpoint):
            return None
        threshold, point = (ScoreThreshold(**each) for each in about["thresholds"])
        name, arguments, category = about["model"], about["arguments"], about["category"]
        state |= about["rest"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    config = _config(name, arguments)
    learnt = {k.removeprefix(_DETECTOR): v for k, v in state.items() if k.startswith(_DETECTOR)}
    try:
        judge = config.create_judge(learnt)
    except (KeyError, TypeError, ValueError):
        return None
    return OpenedMethod(
        ArrayMethod(name, to_arguments(config), (category,), judge), threshold, point, state
    )


def _config(name: str, arguments: Mapping[str, Any]) -> Any:
    """A method's config, without arguments that this version does not have any more."""
    entry = METHODS.entry(name)
    known = flat_arguments(entry.load()).keys()
    given = {key: value for key, value in arguments.items() if key in known}
    return from_arguments(entry.load(), given, owner=entry.name)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
