"""The optimiser, its learning rate, and averaged weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from plane_anomalib.pretraining.config import TrainConfig

_NO_DECAY = ("token_embedding", "text.position", "class_", "mask_token", "log_scale")


def create_optimizer(modules: dict[str, nn.Module], config: TrainConfig) -> torch.optim.AdamW:
    """AdamW without weight decay on norms, biases and embeddings.

    Args:
        modules: What is trained, by name.
        config: Of the run.
    """
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for title, module in modules.items():
        for name, parameter in module.named_parameters():
            whole = f"{title}.{name}"
            plain = parameter.ndim < 2 or any(part in whole for part in _NO_DECAY)
            (free if plain else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98), fused=True)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The rate at a step: up in a line, down in half a cosine to 0.

    Args:
        config: Of the run.
        step: From 0.
        steps: In all.
    """
    warmup = min(config.warmup, max(1, steps // 2))
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, steps - warmup))
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * share))


def update(
    optimizer: torch.optim.AdamW, parameters: list[nn.Parameter], loss: Tensor, clip: float
) -> Tensor:
    """One step along the clipped gradient, left out if it is not finite, without waiting for it.

    Args:
        optimizer: The optimiser.
        parameters: All of its parameters.
        loss: What to minimise.
        clip: Largest norm of the gradient.

    Returns:
        The norm of the gradient.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(parameters, clip)
    # How the fused optimiser is told to leave out a step (as torch's gradient scaler does).
    optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
    optimizer.step()
    return norm


class Average:
    """Exponential moving average of a module's weights and statistics.

    Args:
        module: The module.
        decay: Share of the average that stays at each step; 0 for the weights themselves.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay = module, decay
        self.values = [tensor.detach().clone() for tensor in self._own()] if decay else []

    def _own(self) -> list[Tensor]:
        state = self.module.state_dict().values()
        return [tensor for tensor in state if tensor.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the weights after a step in."""
        if self.values:
            # Early weights are soon forgotten.
            decay = min(self.decay, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.values, self._own(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it, the module has the averaged weights."""
        own = [tensor.clone() for tensor in self._own()] if self.values else []
        self._set(self.values)
        try:
            yield
        finally:
            self._set(own)

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        if values:
            torch._foreach_copy_(self._own(), values)
