"""What is trained beside the point-language model and thrown away afterwards, and how."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.backbones.encoders import BUILTIN_POINTS, BUILTIN_TEXT, create_random
from plane_anomalib.backbones.layers import TransformerBlock
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformerConfig
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.pretraining.config import LossesConfig, ModelConfig, TrainConfig

_SCALE_LIMIT = math.log(100)


def create_model(config: ModelConfig, seed: int) -> PointLanguageModel:
    """Return an untrained model that can be trained.

    Args:
        config: Its shape.
        seed: Of its weights.

    Raises:
        ConfigurationError: The shape has unknown fields, or a layer does not exist.
    """
    try:
        points, text = (
            replace(BUILTIN_POINTS, **config.points),
            replace(BUILTIN_TEXT, **config.text),
        )
    except TypeError as error:
        raise ConfigurationError(f"model: {error}.") from error
    if max(config.layers) >= points.depth:
        raise ConfigurationError(
            f"model.layers={list(config.layers)} needs more than {points.depth} blocks."
        )
    generator = torch.Generator().manual_seed(seed)
    return create_random(points, text, generator, frozen=False).train()


class MaskedDecoder(nn.Module):
    """Point-MAE's decoder: mask tokens where groups are hidden, and the points that lie there.

    Args:
        config: Of the encoder.
        depth: Blocks.
    """

    def __init__(self, config: PointTransformerConfig, depth: int) -> None:
        super().__init__()
        width = config.width
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.position = nn.Sequential(nn.Linear(3, 128), nn.GELU(), nn.Linear(128, width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.num_heads, mlp_ratio=config.mlp_ratio, qkv_bias=False)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.points = nn.Linear(width, 3 * config.group_size)

    def forward(self, seen: Tensor, seen_centers: Tensor, hidden_centers: Tensor) -> Tensor:
        """Predict the points of hidden groups about their centers, in units of their radius.

        Args:
            seen: Encoded tokens of the visible groups, (B, V, W).
            seen_centers: (B, V, 3).
            hidden_centers: (B, H, 3).

        Returns:
            (B, H, K, 3).
        """
        batch, hidden, _ = hidden_centers.shape
        masked = self.mask_token.expand(batch, hidden, -1).to(seen.dtype)
        x = torch.cat((seen, masked), 1)
        position = self.position(torch.cat((seen_centers, hidden_centers), 1))
        for block in self.blocks:
            x = block(x + position)
        predicted: Tensor = self.points(self.norm(x[:, -hidden:]))
        return predicted.view(batch, hidden, -1, 3)


class Heads(nn.Module):
    """Heads over the encoder; those of losses that are switched off are not there.

    Args:
        config: Of the model.
        points: Shape of the encoder.
        joint_dim: Channels of the joint space.
        losses: Weights of the losses.
        seed: Of the weights.
    """

    def __init__(
        self,
        config: ModelConfig,
        points: PointTransformerConfig,
        joint_dim: int,
        losses: LossesConfig,
        seed: int,
    ) -> None:
        super().__init__()
        # Torch's own initial values, without touching the process's generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
            self.patches = nn.ModuleDict()
            if losses.segmentation:
                for layer in config.layers:
                    self.patches[str(layer)] = nn.Sequential(
                        nn.LayerNorm(points.width), nn.Linear(points.width, joint_dim)
                    )
            self.decoder = MaskedDecoder(points, config.decoder_depth) if losses.masked else None
            surface = losses.normals or losses.curvature
            self.surface = nn.Linear(points.width, 4) if surface else None

    @property
    def scale(self) -> Tensor:
        """Inverse temperature of the contrast, at most 100."""
        return self.log_scale.clamp(max=_SCALE_LIMIT).exp()

    def patch_features(self, tokens: dict[int, Tensor]) -> Tensor:
        """Unit vectors of the groups in the joint space, (L, B, G, joint_dim) float32."""
        found = [head(tokens[int(layer)]) for layer, head in self.patches.items()]
        return F.normalize(torch.stack(found).float(), dim=-1)


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


class WeightAverage:
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
