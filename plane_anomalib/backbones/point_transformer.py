"""The point transformer: groups of points as tokens, in PointBERT and Point-MAE layouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.layers import MiniPointNet, TransformerBlock, precision_of
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.neighbours import knn_torch
from plane_anomalib.geometry.sampling import farthest_point_sampling

#: Gives the prompt tokens (B, n, W) to put before the tokens at block `layer` of a batch of B, or
#: None to let those of the block before stay: `token_prompts(layer, batch)`.
TokenPrompts = Callable[[int, int], Tensor | None]

_DROP_PATH = 0.1
"""Share of clouds for which the last block's branches are dropped in training (Point-BERT and
Point-MAE), growing evenly from none at the first block."""


@dataclass(frozen=True)
class PointTransformerConfig:
    """The shape of a point transformer.

    Args:
        width: Channels of a token.
        depth: Number of blocks.
        num_heads: Attention heads.
        mlp_ratio: Hidden channels of a block's MLP per channel of a token.
        num_groups: Groups per cloud; any other number can be asked for at run time.
        group_size: Points per group.
        stem: Channels of the mini-PointNet's first layer.
        encoder_width: Channels that the mini-PointNet gives; if they differ from `width`, a linear
            layer brings them there (384 in Point-MAE, 256 in Point-BERT and ULIP).
        class_token: Whether a learned token that stands for the cloud goes before the groups.
        skip_origin: Whether points nearer to the origin than `sqrt(1e-3)` are never chosen as
            centers, as the public encoders' compiled sampling does.
    """

    width: int = 384
    depth: int = 12
    num_heads: int = 6
    mlp_ratio: int = 4
    num_groups: int = 512
    group_size: int = 32
    stem: int = 128
    encoder_width: int = 256
    class_token: bool = True
    skip_origin: bool = False


@dataclass(frozen=True)
class PointFeatures:
    """What a point transformer makes of a batch of clouds.

    Args:
        tokens: Output of each block asked for, by 0-based index, without class token and without
            the final norm, (B, G, W) each.
        centers: Centers of the groups, (B, G, 3) float32.
        pooled: Class token and maximum over the groups after the final norm, (B, 2 W). Without a
            class token its half is the mean over the groups.
        group_index: Points of each group, nearest first, (B, G, K) int64, into the input.
    """

    tokens: dict[int, Tensor]
    centers: Tensor
    pooled: Tensor
    group_index: Tensor


class PointTransformer(nn.Module):
    """Encoder of ULIP, Point-BERT and Point-MAE; the layouts differ in the configuration only.

    Groups of `group_size` neighbours around farthest-point-sampled centers become tokens through a
    mini-PointNet; pre-norm transformer blocks follow, with the embedded centers added before every
    block. Any device and dtype of autocast; grouping always runs in float32.

    Args:
        config: The shape.
    """

    def __init__(self, config: PointTransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.encoder = MiniPointNet(3, config.stem, config.encoder_width)
        self.reduce = (
            nn.Identity()
            if config.encoder_width == width
            else nn.Linear(config.encoder_width, width)
        )
        self.position = nn.Sequential(nn.Linear(3, 128), nn.GELU(), nn.Linear(128, width))
        if config.class_token:
            self.class_token = nn.Parameter(torch.zeros(1, 1, width))
            self.class_position = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, config.num_heads, mlp_ratio=config.mlp_ratio, qkv_bias=False)
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        points: Tensor,
        *,
        layers: Sequence[int] = (),
        num_groups: int | None = None,
        group_size: int | None = None,
        token_prompts: TokenPrompts | None = None,
        as_training: torch.Generator | None = None,
    ) -> PointFeatures:
        """Encode a batch of clouds of equally many points.

        Args:
            points: Coordinates, (B, P, 3) float32, centered and scaled as the weights expect.
            layers: 0-based blocks whose output to return.
            num_groups: Groups per cloud (P if there are fewer points), else as configured.
            group_size: Points per group (P if there are fewer), else as configured.
            token_prompts: See `TokenPrompts`; they take part in attention and are never returned.
            as_training: Compute as in training mode, in which the public repositories leave it:
                normalise by these groups' statistics, and drop branches of the blocks at random,
                drawn from this generator (stochastic depth).

        Returns:
            Tokens of the blocks asked for, centers, pooled feature and groups.

        Raises:
            ConfigurationError: There is no such layer, a number is not positive, or `points` is
                no such batch.
        """
        self._check(points, layers)
        centers, group_index = self.group(points, num_groups=num_groups, group_size=group_size)
        own = as_training is not None
        with precision_of(self.blocks):
            x = self.embed(points, centers, group_index, batch_statistics=own)
            x = x.to(self.norm.weight.dtype)  # the sum stays in float32, also under autocast
            factors = self._branch_factors(len(points), as_training)
            tokens, pooled, _ = self.run(
                x, centers, layers=layers, token_prompts=token_prompts, factors=factors
            )
        return PointFeatures(tokens, centers, pooled, group_index)

    def embed(
        self,
        points: Tensor,
        centers: Tensor,
        group_index: Tensor,
        *,
        batch_statistics: bool = False,
    ) -> Tensor:
        """Turn groups of points into tokens, before any of them sees another.

        Args:
            points: Coordinates, (B, P, 3) float32.
            centers: Centers of the groups, (B, G, 3) float32.
            group_index: Points of each group, (B, G, K) int64, into `points`.
            batch_statistics: See `MiniPointNet.forward`.

        Returns:
            One token per group, without its position, (B, G, W).
        """
        batch, num_groups, size = group_index.shape
        flat = group_index.reshape(batch, -1, 1).expand(-1, -1, 3)
        groups = points.gather(1, flat).view(batch, num_groups, size, 3) - centers[:, :, None]
        embedded = self.encoder(groups.flatten(0, 1), batch_statistics=batch_statistics)
        reduced: Tensor = self.reduce(embedded)
        return reduced.view(batch, num_groups, -1)

    def run(
        self,
        tokens: Tensor,
        centers: Tensor,
        *,
        layers: Sequence[int] = (),
        token_prompts: TokenPrompts | None = None,
        factors: Tensor | None = None,
    ) -> tuple[dict[int, Tensor], Tensor, Tensor]:
        """Pass tokens through the blocks: all groups of a cloud, or any of them.

        Args:
            tokens: Of `embed`, (B, G, W).
            centers: Where they lie, (B, G, 3) float32.
            layers: 0-based blocks whose output to return.
            token_prompts: See `TokenPrompts`.
            factors: What each block's branches are multiplied with, (depth, 2, B, 1, 1).

        Returns:
            Output of each block asked for, (B, G, W); the pooled feature, (B, 2 W); and the groups
            after the final norm, (B, G, W).
        """
        x, position = self._with_class_token(tokens, self.position(centers))
        first = x.shape[1] - centers.shape[1]
        prompts = x[:, :0]
        outputs: dict[int, Tensor] = {}
        for index, block in enumerate(self.blocks):
            if token_prompts is not None:
                given = token_prompts(index, x.shape[0])
                prompts = prompts if given is None else given.to(x.dtype)
            x = torch.cat((prompts, x + position), 1) if prompts.shape[1] else x + position
            x = block(x, None if factors is None else factors[index].to(x))
            prompts, x = x[:, : prompts.shape[1]], x[:, prompts.shape[1] :]
            if index in layers:
                outputs[index] = x[:, first:]
        x = self.norm(x)
        return outputs, self._pool(x, first), x[:, first:]

    def dense_features(
        self,
        points: Tensor,
        *,
        layers: Sequence[int] = (3, 7, 11),
        num_groups: int | None = None,
        group_size: int | None = None,
        as_training: torch.Generator | None = None,
    ) -> tuple[Tensor, PointFeatures]:
        """Features of the groups as M3DM, PatchCore and Reg3DAD use them.

        Args:
            points: Coordinates, (B, P, 3) float32.
            layers: 0-based blocks; each passes the final norm, then all are concatenated.
            num_groups: Groups per cloud (16,384 in Real3D-AD, 1,024 in M3DM).
            group_size: Points per group (128 in both).
            as_training: See `forward`.

        Returns:
            Features of the groups, (B, G, W * len(layers)), and what they were made of.
        """
        features = self(
            points,
            layers=layers,
            num_groups=num_groups,
            group_size=group_size,
            as_training=as_training,
        )
        return torch.cat([self.norm(features.tokens[i]) for i in layers], -1), features

    def group(
        self, points: Tensor, *, num_groups: int | None = None, group_size: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Choose centers by farthest point sampling and the nearest points of each.

        Args:
            points: Coordinates, (B, P, 3) float32.
            num_groups: Groups per cloud (P if there are fewer points), else as configured.
            group_size: Points per group (P if there are fewer), else as configured.

        Returns:
            Centers (B, G, 3) float32 and the points of each group (B, G, K) int64.

        Raises:
            ConfigurationError: If a number is not positive.
        """
        total = points.shape[1]
        num_groups = self.config.num_groups if num_groups is None else num_groups
        group_size = self.config.group_size if group_size is None else group_size
        if min(num_groups, group_size) < 1:
            raise ConfigurationError(
                f"The point encoder needs at least one group of one point, not "
                f"num_groups={num_groups} and group_size={group_size}."
            )
        num_groups, group_size = min(num_groups, total), min(group_size, total)
        with torch.no_grad(), torch.autocast(points.device.type, enabled=False):
            points = points.detach().float()
            chosen = farthest_point_sampling(
                points, num_groups, skip_origin=self.config.skip_origin
            )
            centers = points.gather(1, chosen[..., None].expand(-1, -1, 3))
            return centers, knn_torch(points, centers, group_size)

    def _branch_factors(self, batch: int, generator: torch.Generator | None) -> Tensor | None:
        """Zero for a branch that is dropped, else what makes up for those: (depth, 2, B, 1, 1)."""
        if generator is None:
            return None
        keep = 1.0 - torch.linspace(0.0, _DROP_PATH, self.config.depth)
        shape = self.config.depth, 2, batch
        kept = torch.rand(shape, generator=generator) < keep[:, None, None]
        return (kept / keep[:, None, None])[..., None, None]

    def _with_class_token(self, x: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens and their positions, the class token before them if the encoder has one."""
        if not self.config.class_token:
            return x, position
        token = self.class_token.expand(len(x), -1, -1).to(x.dtype)
        place = self.class_position.expand(len(x), -1, -1).to(position.dtype)
        return torch.cat((token, x), 1), torch.cat((place, position), 1)

    @staticmethod
    def _pool(x: Tensor, first: int) -> Tensor:
        groups = x[:, first:]
        return torch.cat((x[:, 0] if first else groups.mean(1), groups.amax(1)), -1)

    def _check(self, points: Tensor, layers: Sequence[int]) -> None:
        if points.ndim != 3 or points.shape[-1] != 3 or points.shape[1] == 0:
            raise ConfigurationError(
                f"The point encoder takes clouds as (batch, points, 3), not {tuple(points.shape)}."
            )
        wrong = [index for index in layers if not 0 <= index < self.config.depth]
        if wrong:
            raise ConfigurationError(
                f"The point encoder has blocks 0 to {self.config.depth - 1}, "
                f"so layers={list(layers)} cannot be read: leave out {wrong}."
            )
