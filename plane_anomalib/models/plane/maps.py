"""From tokens and text to anomaly maps (PLANE, eq. 5 and 6), and the loss on them (eq. 7)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from plane_anomalib.geometry.neighbours import knn_torch
from plane_anomalib.models.plane.prompts import seeded_linear


class FeatureAdapter(nn.Module):
    """Brings the tokens of one block into the joint space: `F = FFN([P_static, P_dyn, f])`.

    The prompts are concatenated with every token. Since they are the same for all tokens of a
    cloud, their share of the first layer is computed once per cloud and added.

    Args:
        token_width: Channels of a token, local geometry included.
        prompt_width: Channels of all prompts together; 0 for none.
        joint_dim: Channels of the joint space.
        hidden: Channels of the hidden layers.
        depth: Hidden layers; 0 makes it one linear projection, "PCFA off" in Table 4.
        damped: Leading channels of a token that start with a tenth of the weight: features of an
            untrained encoder must not drown the geometry beside them.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        token_width: int,
        prompt_width: int,
        joint_dim: int,
        *,
        hidden: int = 512,
        depth: int = 1,
        damped: int = 0,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        widths = [hidden] * depth + [joint_dim]
        self.token = seeded_linear(token_width, widths[0], generator=generator)
        with torch.no_grad():
            self.token.weight[:, :damped] *= 0.1
        self.prompt = (
            seeded_linear(prompt_width, widths[0], generator=generator, bias=False)
            if prompt_width
            else None
        )
        self.rest = nn.ModuleList(
            seeded_linear(before, after, generator=generator, gain=2**0.5)
            for before, after in pairwise(widths)
        )

    def forward(self, tokens: Tensor, prompts: Tensor) -> Tensor:
        """Adapt.

        Args:
            tokens: `(B, T, token_width)`.
            prompts: `(B, n, W)`, n * W = prompt_width.

        Returns:
            `(B, T, joint_dim)`.
        """
        x = self.token(tokens)
        if self.prompt is not None:
            x = x + self.prompt(prompts.flatten(1))[:, None]
        for layer in self.rest:
            x = layer(nn.functional.gelu(x))
        return x


def propagate(centers: Tensor, points: Tensor, k: int = 3) -> Callable[[Tensor], Tensor]:
    """Prepare inverse squared distance interpolation; the neighbours serve several layers.

    Args:
        centers: `(B, G, 3)`.
        points: `(B, P, 3)`.
        k: Centers that share in a point's value.

    Returns:
        A function from `(B, G, C)` to `(B, P, C)`; gradients flow through it.
    """
    k = min(k, centers.shape[1])
    index = knn_torch(centers, points, k)
    batch = torch.arange(len(centers), device=centers.device)[:, None, None]
    squared = (centers[batch, index] - points[:, :, None]).square().sum(-1)
    weights = 1 / squared.clamp_min(1e-8)
    weights = weights / weights.sum(-1, keepdim=True)

    def spread(values: Tensor) -> Tensor:
        total = weights[..., :1].to(values.dtype) * values[batch[..., 0], index[..., 0]]
        for j in range(1, k):
            total = (
                total
                + weights[..., j : j + 1].to(values.dtype) * (values[batch[..., 0], index[..., j]])
            )
        return total

    return spread


def anomaly_probability(
    features: Tensor, normal: Tensor, anomalous: Tensor, temperature: Tensor | float
) -> Tensor:
    """Softmax of the cosine similarities to both texts, the anomalous one's share.

    Args:
        features: `(B, T, J)` per-token features in the joint space.
        normal: `(B, J)` text features of the normal prompt.
        anomalous: `(B, J)` text features of the anomalous prompt.
        temperature: Divides the similarities; the paper has 1, which keeps the result within
            0.12 and 0.88.

    Returns:
        `(B, T) float32`.
    """
    with torch.autocast(features.device.type, enabled=False):
        features = features.float()
        difference = cosine_similarity(
            features, anomalous.float()[:, None], dim=-1
        ) - cosine_similarity(features, normal.float()[:, None], dim=-1)
        return torch.sigmoid(difference / temperature)


def focal_loss(probability: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean focal loss without class weights.

    Args:
        probability: Probability of an anomaly, any shape, in [0, 1].
        target: 1 where anomalous, same shape.
        gamma: How little well-classified points count.
    """
    with torch.autocast(probability.device.type, enabled=False):
        probability, target = probability.float().clamp(1e-6, 1 - 1e-6), target.float()
        right = torch.where(target > 0.5, probability, 1 - probability)
        return (-((1 - right) ** gamma) * right.log()).mean()


def dice_loss(probability: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """Mean over the clouds of one minus the soft Dice overlap of the anomalous points.

    Args:
        probability: `(B, P)`.
        target: `(B, P)`, 1 where anomalous.
        smooth: Added above and below, so that a cloud without anomalies has a defined loss.
    """
    probability, target = probability.float(), target.float()
    overlap = (probability * target).sum(-1)
    total = probability.sum(-1) + target.sum(-1)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()
