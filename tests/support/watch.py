"""What the tests of training look at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback

from plane_anomalib.models.plane import Plane


class Watch(Callback):
    """Keeps losses, rates, the parts' parameters before training, and who is in which mode."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.rates: list[list[float]] = []
        self.steps: list[int] = []
        self.batches: list[Any] = []
        self.before: dict[str, torch.Tensor] = {}
        self.backbone_trained = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self.before = parameters(pl_module)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *args: Any) -> None:
        self.losses.append(float(outputs["loss"]))
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])
        self.steps.append(trainer.global_step)
        self.batches.append(args[0])
        backbone = pl_module.model.backbone
        self.backbone_trained |= any(module.training for module in backbone.modules())
        self.backbone_trained |= any(p.grad is not None for p in backbone.parameters())


def parameters(model: Plane) -> dict[str, torch.Tensor]:
    state = model.model.state_dict()
    return {
        name: value.detach().clone() for name, value in state.items() if hasattr(value, "detach")
    }


def changed(watch: Watch, model: Plane) -> set[str]:
    """First words of the names of all parameters that training changed."""
    after = parameters(model)
    names = {name for name, value in watch.before.items() if not torch.equal(value, after[name])}
    return {name.split(".")[0] for name in names}


def same(first: Plane, second: Plane) -> bool:
    pairs = zip(parameters(first).values(), parameters(second).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def finite(values: Iterable[float]) -> bool:
    return all(np.isfinite(value) for value in values)
