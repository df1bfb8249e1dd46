"""How good the model is on shapes it was never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.generation.shapes.construction import with_article
from plane_anomalib.metrics.functional import binary_metrics
from plane_anomalib.pretraining import losses
from plane_anomalib.pretraining.batches import Batch, make_batch
from plane_anomalib.pretraining.config import PretrainConfig
from plane_anomalib.pretraining.losses import precision
from plane_anomalib.pretraining.model import Heads
from plane_anomalib.pretraining.plans import (
    choose_kinds,
    device_generator,
    encode,
    fixed_anchors,
    tokenize,
)
from plane_anomalib.pretraining.pool import ShapePool, ShapeSource, make_pool, training_families

Array = NDArray[Any]

_AT_ONCE = 64
_TOP = 0.05
"""Share of the groups whose mean is the score of a cloud."""


@dataclass(frozen=True)
class HeldOut:
    """Shapes to evaluate on.

    Args:
        seen: Unseen specimens of families that are trained on.
        unseen: Specimens of families that are not.
    """

    seen: ShapePool
    unseen: ShapePool

    def to(self, device: torch.device) -> HeldOut:
        """The same on a device."""
        return HeldOut(self.seen.to(device), self.unseen.to(device))


def held_out_shapes(config: PretrainConfig) -> HeldOut:
    """Draw the shapes of the evaluation.

    Args:
        config: Of the run; the shapes are the same for any seed.
    """
    from plane_anomalib.generation.shapes.catalogue import HELD_OUT

    def pool(families: Sequence[str], each: int, stream: int) -> ShapePool:
        sources = [ShapeSource(family) for family in families for _ in range(each)]
        return make_pool(sources, config.pool.points, (2**20, stream), config.pool.workers)

    return HeldOut(
        pool(training_families(), config.evaluation.seen, 1),
        pool(list(HELD_OUT), config.evaluation.held_out, 2),
    )


@torch.no_grad()
def evaluate(
    model: PointLanguageModel, heads: Heads, shapes: HeldOut, config: PretrainConfig
) -> dict[str, float]:
    """Measure the model in evaluation mode, in random pose, always on the same scans.

    Segmentation is the AUROC over groups of the eq. 6 map, averaged over the layers; object
    scores are the mean of the top 5 % of it. Retrieval looks for each good cloud's caption among
    all different ones of its set; naming looks for its name among all names of both sets.

    Args:
        model: The model.
        heads: Its heads; without those of the segmentation there is no AUROC.
        shapes: On the model's device.
        config: Of the run.

    Returns:
        `seen_...` and `held_out_...`: `group_auroc`, `object_auroc`, `retrieval_top1`,
        `retrieval_top5`, `name_top1` and `family_top1`, as far as they are defined.
    """
    was_training = model.training
    model.eval()
    heads.eval()
    found: dict[str, float] = {}
    names = sorted({*shapes.seen.names, *shapes.unseen.names})
    for title, pool in (("seen", shapes.seen), ("held_out", shapes.unseen)):
        measured = _segmentation(model, heads, pool, config) if heads.patches else {}
        measured |= _words(model, pool, shapes, names, config)
        found |= {f"{title}_{name}": round(value, 4) for name, value in measured.items()}
    model.train(was_training)
    heads.train(was_training)
    return found


def _segmentation(
    model: PointLanguageModel, heads: Heads, pool: ShapePool, config: PretrainConfig
) -> dict[str, float]:
    generator = np.random.default_rng(5)
    scores, targets, counted, tops, damaged = [], [], [], [], []
    for part in _parts(len(pool)):
        kinds = choose_kinds(config.defects, len(part), generator)
        batch, outputs, _ = _encode(model, heads, pool, part, kinds, config)
        anchors = _anchors(model, [pool.names[i] for i in part])
        logits = torch.stack(
            [
                losses.anomaly_logits(f, anchors, config.losses.temperature)
                for f in heads.patch_features(outputs)
            ]
        )
        score = logits.sigmoid().mean(0)
        scores.append(score)
        targets.append(batch.share > 0)
        counted.append(batch.counted)
        tops.append(score.topk(max(1, round(_TOP * score.shape[1])), 1).values.mean(1))
        damaged += [bool(of) for of in kinds]
    flat = torch.cat(scores).flatten(), torch.cat(targets).flatten(), torch.cat(counted).flatten()
    found = {
        "group_auroc": _auroc(flat[1][flat[2]].cpu().numpy(), flat[0][flat[2]].cpu().numpy()),
        "object_auroc": _auroc(np.array(damaged), torch.cat(tops).cpu().numpy()),
    }
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _parts(total: int) -> list[range]:
    return [range(i, min(i + _AT_ONCE, total)) for i in range(0, total, _AT_ONCE)]


def _auroc(labels: Array, scores: Array) -> float:
    return binary_metrics(scores, labels).auroc


def _words(
    model: PointLanguageModel,
    pool: ShapePool,
    shapes: HeldOut,
    names: list[str],
    config: PretrainConfig,
) -> dict[str, float]:
    clouds = []
    for part in _parts(len(pool)):
        pooled = _encode(model, None, pool, part, [() for _ in part], config)[2]
        clouds.append(F.normalize(model.embed_points(pooled).float(), dim=-1))
    whole = torch.cat(clouds)
    captions = sorted(set(pool.captions))
    place = {caption: row for row, caption in enumerate(captions)}
    right = torch.tensor([place[caption] for caption in pool.captions], device=whole.device)
    ranked = (whole @ _sentences(model, captions).T).topk(min(5, len(captions)), 1).indices
    hits = ranked == right[:, None]
    chosen = (
        (whole @ _sentences(model, [with_article(name) for name in names]).T).argmax(1).tolist()
    )
    families: dict[str, set[str]] = {}
    for name, family in zip(
        shapes.seen.names + shapes.unseen.names,
        shapes.seen.families + shapes.unseen.families,
        strict=True,
    ):
        families.setdefault(name, set()).add(family)
    said = [names[row] for row in chosen]
    return {
        "retrieval_top1": hits[:, 0].float().mean().item(),
        "retrieval_top5": hits.any(1).float().mean().item(),
        "name_top1": float(np.mean([a == b for a, b in zip(said, pool.names, strict=True)])),
        "family_top1": float(
            np.mean([b in families[a] for a, b in zip(said, pool.families, strict=True)])
        ),
    }


def _encode(
    model: PointLanguageModel,
    heads: Heads | None,
    pool: ShapePool,
    part: Sequence[int],
    kinds: list[tuple[str, ...]],
    config: PretrainConfig,
) -> tuple[Batch, dict[int, Tensor], Tensor]:
    device = pool.points.device
    batch = make_batch(
        pool,
        torch.tensor(list(part), device=device),
        kinds,
        (config.evaluation.points, config.evaluation.groups),
        model.points.config.group_size,
        (config.views, config.defects),
        device_generator(2**20, part[0], device),
    )
    layers = [int(layer) for layer in heads.patches] if heads is not None else []
    with precision(device):
        tokens = model.points.embed(batch.points, batch.centers, batch.index).float()
        outputs, pooled, _ = model.points.run(tokens, batch.centers, layers=layers)
    return batch, outputs, pooled


def _anchors(model: PointLanguageModel, names: list[str]) -> Tensor:
    pairs = [fixed_anchors(name) for name in names]
    sides = []
    for side in (0, 1):
        sentences = [sentence for pair in pairs for sentence in pair[side]]
        encoded = _sentences(model, sentences).view(len(names), -1, model.joint_dim)
        sides.append(F.normalize(encoded.mean(1), dim=-1))
    return torch.stack(sides)


def _sentences(model: PointLanguageModel, sentences: list[str]) -> Tensor:
    device = model.point_projection.device
    with precision(device):
        return encode(model, tokenize(model, sentences).to(device))
