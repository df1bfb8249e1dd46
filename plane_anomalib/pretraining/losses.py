"""The losses of pretraining: as functions of tensors, and of one batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.pretraining.batches import Batch, mean_direction, relative_groups
from plane_anomalib.pretraining.config import LOSSES, LossesConfig
from plane_anomalib.pretraining.model import Heads
from plane_anomalib.pretraining.plans import (
    ANCHORS,
    Sentences,
    StepPlan,
    encode,
    not_negatives,
    tokenize,
)


def contrast(clouds: Tensor, texts: Tensor, scale: Tensor, ignored: Tensor) -> Tensor:
    """Symmetric InfoNCE: each cloud finds its caption, each caption its cloud.

    Args:
        clouds: Unit vectors, (B, D).
        texts: Unit vectors of the captions, (B, D).
        scale: Inverse temperature.
        ignored: (B, B) bool, pairs that are no counter-examples; False on the diagonal.
    """
    logits = (scale * clouds @ texts.T).masked_fill(ignored, -torch.inf)
    right = torch.arange(len(logits), device=logits.device)
    return 0.5 * (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right))


def anomaly_logits(features: Tensor, anchors: Tensor, tau: float) -> Tensor:
    """Log-odds of eq. 6: `sigmoid` of it is the softmax over the two cosines.

    Args:
        features: Unit vectors, (B, ..., D).
        anchors: T_N and T_A of each cloud, unit vectors, (2, B, D).
        tau: Temperature.
    """
    axis = (anchors[1] - anchors[0]) / tau
    while axis.ndim < features.ndim:
        axis = axis.unsqueeze(1)
    return (features * axis).sum(-1)


def focal(logits: Tensor, target: Tensor, counted: Tensor, gamma: float = 2.0) -> Tensor:
    """Mean focal loss with soft targets: cross-entropy times `|target - probability|^gamma`.

    Anomalous groups weigh as much as their share is short of a half, at most ten times as much as
    the others, so that the few are not drowned out.

    Args:
        logits: Any shape.
        target: Shares from 0 to 1.
        counted: bool, what counts.
        gamma: How little well-classified groups count.
    """
    valid = counted.float()
    share = (target * valid).sum() / valid.sum().clamp_min(1)
    lift = ((1 - share) / share.clamp_min(1e-6)).clamp(1, 10)
    weight = valid * (1 + (lift - 1) * target)
    distance = (target - logits.sigmoid()).abs()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (weight * distance**gamma * entropy).sum() / weight.sum().clamp_min(1)


def dice(logits: Tensor, target: Tensor, counted: Tensor, smooth: float = 1.0) -> Tensor:
    """Mean over the clouds of one minus the soft overlap.

    Args:
        logits: (B, G).
        target: Shares from 0 to 1, (B, G).
        counted: (B, G) bool, what counts.
        smooth: Added above and below, so that a cloud without anomalies has a defined loss.
    """
    valid = counted.float()
    probability, target = logits.sigmoid() * valid, target * valid
    overlap = (probability * target).sum(-1)
    # Squares: with plain sums a soft target would not be the best answer to itself.
    total = probability.square().sum(-1) + target.square().sum(-1)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean()


def segmentation(logits: Tensor, target: Tensor, counted: Tensor) -> Tensor:
    """Focal and dice loss, the mean over the layers.

    Args:
        logits: (L, B, G).
        target: (B, G).
        counted: (B, G) bool.
    """
    parts = [focal(layer, target, counted) + dice(layer, target, counted) for layer in logits]
    return torch.stack(parts).mean()


def chamfer(predicted: Tensor, points: Tensor) -> Tensor:
    """Mean squared distance to the nearest point of the other set, both ways.

    Args:
        predicted: (M, K, 3).
        points: (M, L, 3).
    """
    squared = (
        predicted.square().sum(-1)[:, :, None]
        + points.square().sum(-1)[:, None]
        - 2 * predicted @ points.transpose(1, 2)
    ).clamp_min(0)
    return squared.amin(2).mean() + squared.amin(1).mean()


def directions(predicted: Tensor, normals: Tensor, counted: Tensor) -> Tensor:
    """One minus the cosine to the outward normals.

    Args:
        predicted: (B, G, 3), any length.
        normals: (B, G, 3) unit.
        counted: (B, G) bool, what counts.
    """
    valid = counted.float()
    cosine = F.cosine_similarity(predicted, normals, dim=-1)
    return ((1 - cosine) * valid).sum() / valid.sum().clamp_min(1)


def curvature(predicted: Tensor, curved: Tensor, counted: Tensor) -> Tensor:
    """Smooth absolute error of the logarithm of a curvature.

    Args:
        predicted: (B, G), of the logarithm.
        curved: (B, G), one minus the length of the mean normal.
        counted: (B, G) bool, what counts.
    """
    valid = counted.float()
    # Below a thousandth it is the noise of float16 normals.
    target = curved.clamp_min(1e-3).log()
    error = F.smooth_l1_loss(predicted, target, reduction="none")
    return (error * valid).sum() / valid.sum().clamp_min(1)


@dataclass(frozen=True)
class Texts:
    """What is said about a batch.

    Args:
        sentences: Captions, then normal anchors, then anomalous ones, as far as they are needed.
        facts: (4, B) int64: ids of name and caption, sense, full (see `plan.not_negatives`).
        damaged: (B,) float32, 1 where the cloud has a defect.
    """

    sentences: Sentences | None
    facts: Tensor
    damaged: Tensor

    def pinned(self) -> Texts:
        """The same where a GPU can fetch it while the host goes on."""
        sentences = None if self.sentences is None else self.sentences.pinned()
        return Texts(sentences, self.facts.pin_memory(), self.damaged.pin_memory())

    def to(self, device: torch.device) -> Texts:
        """The same on a device, without waiting for it."""
        return Texts(
            None if self.sentences is None else self.sentences.to(device),
            self.facts.to(device, non_blocking=True),
            self.damaged.to(device, non_blocking=True),
        )


def needs_anchors(config: LossesConfig) -> bool:
    """Whether any loss compares clouds or groups with anchors."""
    return bool(config.segmentation or config.state)


def prepare_texts(
    model: PointLanguageModel, plan: StepPlan, config: LossesConfig, *, pinned: bool
) -> Texts:
    """Put a plan's words into tensors on the host.

    Args:
        model: Whose tokenizer.
        plan: Of the step.
        config: Which losses there are.
        pinned: Whether a GPU will fetch them.
    """
    said = [caption.text for caption in plan.captions] if config.contrast else []
    if needs_anchors(config):
        said += plan.normal + plan.anomalous
    senses = [caption.sense for caption in plan.captions]
    full = [caption.full for caption in plan.captions]
    facts = torch.from_numpy(
        np.stack([plan.name_ids, plan.caption_ids, np.array(senses), np.array(full, np.int64)])
    )
    damaged = torch.tensor([float(bool(kinds)) for kinds in plan.kinds])
    texts = Texts(tokenize(model, said) if said else None, facts, damaged)
    return texts.pinned() if pinned else texts


@contextmanager
def precision(device: torch.device) -> Iterator[None]:
    """bfloat16 where a GPU multiplies; float32 elsewhere."""
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        yield


def compute(
    model: PointLanguageModel,
    heads: Heads,
    batch: Batch,
    texts: Texts,
    config: LossesConfig,
    visible: float,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Every loss that has a weight, without it.

    Args:
        model: The point-language model.
        heads: Its heads.
        batch: Clouds.
        texts: What is said about them.
        config: Weights; those that are 0 cost nothing.
        visible: Share of the groups that the encoder sees in masked modelling.
        generator: Chooses them.

    Returns:
        Scalars by name.
    """
    found: dict[str, Tensor] = {}
    with precision(batch.points.device):
        # The sum over the blocks is kept in float32: bfloat16 would lose what a block adds.
        tokens = model.points.embed(batch.points, batch.centers, batch.index).float()
        if any(getattr(config, name) for name in LOSSES if name != "masked"):
            layers = [int(layer) for layer in heads.patches]
            outputs, pooled, final = model.points.run(tokens, batch.centers, layers=layers)
            if texts.sentences is not None:
                found |= _spoken(model, heads, batch, texts, config, outputs, pooled)
            if heads.surface is not None:
                found |= _surface(heads.surface(final).float(), batch, config)
        if config.masked:
            rows = max(1, round(config.masked_share * len(tokens)))
            found["masked"] = _masked(model, heads, batch, tokens, rows, visible, generator)
    return found


def _spoken(
    model: PointLanguageModel,
    heads: Heads,
    batch: Batch,
    texts: Texts,
    config: LossesConfig,
    outputs: dict[int, Tensor],
    pooled: Tensor,
) -> dict[str, Tensor]:
    found = {}
    size = len(batch.points)
    assert texts.sentences is not None  # noqa: S101
    spoken = encode(model, texts.sentences)
    whole = F.normalize(model.embed_points(pooled).float(), dim=-1)
    with torch.autocast(whole.device.type, enabled=False):
        if config.contrast:
            names, captions, senses, full = texts.facts.unbind()
            ignored = not_negatives(names, captions, senses, full.bool())
            found["contrast"] = contrast(whole, spoken[:size], heads.scale, ignored)
            spoken = spoken[size:]
        if not needs_anchors(config):
            return found
        anchors = F.normalize(spoken.view(2, size, ANCHORS, -1).mean(2), dim=-1)
        if config.segmentation:
            features = heads.patch_features(outputs)
            logits = torch.stack([anomaly_logits(f, anchors, config.temperature) for f in features])
            found["segmentation"] = segmentation(logits, batch.share, batch.counted)
        if config.state:
            state = anomaly_logits(whole, anchors, config.temperature)
            found["state"] = F.binary_cross_entropy_with_logits(state, texts.damaged)
    return found


def _surface(predicted: Tensor, batch: Batch, config: LossesConfig) -> dict[str, Tensor]:
    # Normals are those before the damage, so damaged groups do not count.
    intact = batch.share == 0
    found = {}
    direction, curved = mean_direction(batch.normals)
    if config.normals:
        found["normals"] = directions(predicted[..., :3], direction, intact)
    if config.curvature:
        found["curvature"] = curvature(predicted[..., 3], curved, intact)
    return found


def _masked(
    model: PointLanguageModel,
    heads: Heads,
    batch: Batch,
    tokens: Tensor,
    rows: int,
    visible: float,
    generator: torch.Generator,
) -> Tensor:
    """Chamfer distance of hidden groups, from the visible ones of the first clouds."""
    assert heads.decoder is not None  # noqa: S101
    num_groups = tokens.shape[1]
    seen_count = min(num_groups - 1, max(1, round(visible * num_groups)))
    order = torch.rand(rows, num_groups, generator=generator, device=tokens.device).argsort(1)
    seen, hidden = order[:, :seen_count], order[:, seen_count:]
    centers = batch.centers[:rows]
    seen_centers = _gather(centers, seen)
    encoded = model.points.run(_gather(tokens[:rows], seen), seen_centers)[2]
    predicted = heads.decoder(encoded, seen_centers, _gather(centers, hidden))
    part = Batch(*(getattr(batch, field.name)[:rows] for field in fields(Batch)))
    groups = relative_groups(part).flatten(2)
    target = _gather(groups, hidden).view(rows * hidden.shape[1], -1, 3)
    with torch.autocast(tokens.device.type, enabled=False):
        return chamfer(predicted.float().flatten(0, 1), target)


def _gather(x: Tensor, index: Tensor) -> Tensor:
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


def weighted(found: dict[str, Tensor], config: LossesConfig) -> Tensor:
    """The sum that is minimised."""
    return torch.stack([getattr(config, name) * value for name, value in found.items()]).sum()
