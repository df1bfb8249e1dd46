"""What each process of a distributed run saw, one JSON file per process."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

FOLDER_VARIABLE = "TEST_RANKS_FOLDER"


class Ranks(Callback):
    """Put into `--trainer.callbacks`; writes where the environment says."""

    def __init__(self) -> None:
        self.noted: dict[str, Any] = {"views": [], "categories": [], "scored": []}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *args: Any) -> None:
        batch = args[0]
        self.noted["views"].append(_digest(batch.points))
        self.noted["categories"].append(sorted(set(batch.category)))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        names = ("object_threshold", "point_threshold")
        thresholds = [float(getattr(pl_module.post_processor, name)) for name in names]
        self.noted["thresholds"] = thresholds
        self.noted["weights"] = _digest(torch.cat([p.flatten() for p in pl_module.parameters()]))

    def on_test_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *args: Any) -> None:
        self.noted["scored"] += [Path(path).name for path in args[0].path]

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        file = Path(os.environ[FOLDER_VARIABLE]) / f"rank{trainer.global_rank}.json"
        file.write_text(json.dumps(self.noted))


def _digest(values: torch.Tensor) -> str:
    return hashlib.sha256(values.detach().cpu().numpy().tobytes()).hexdigest()
