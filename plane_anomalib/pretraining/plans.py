"""What a step does, decided on the host before anything is computed: nobody waits for the device.

Every step has a generator of its own, made of the seed and the step's number, so that a run goes on
exactly where it was left without any generator's state being kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plane_anomalib.generation.defects.kinds import BATCHED_KINDS
from plane_anomalib.pretraining.captions import Caption, anchors, caption
from plane_anomalib.pretraining.config import DefectsConfig, PretrainConfig

ANCHORS = 2
"""Sentences per cloud and polarity."""


@dataclass(frozen=True)
class StepPlan:
    """A step's clouds and texts.

    Args:
        shapes: Index into the pool of each cloud, (B,).
        points: Points per cloud.
        groups: Groups per cloud.
        kinds: Names of the defects of each cloud, 0 to 2.
        captions: One per cloud.
        name_ids: Equal where names are equal, (B,).
        caption_ids: Equal where captions are equal, (B,).
        normal: `ANCHORS` sentences per cloud.
        anomalous: The same.
    """

    shapes: NDArray[np.int64]
    points: int
    groups: int
    kinds: list[tuple[str, ...]]
    captions: list[Caption]
    name_ids: NDArray[np.int64]
    caption_ids: NDArray[np.int64]
    normal: list[str]
    anomalous: list[str]


def step_generator(seed: int, step: int) -> np.random.Generator:
    """The generator of one step on the host."""
    return np.random.default_rng([seed, 7, step])


def device_generator(seed: int, step: int, device: torch.device) -> torch.Generator:
    """The generator of one step on the device."""
    mixed = np.random.SeedSequence([seed, 11, step]).generate_state(2, np.uint32)
    generator = torch.Generator(device)
    return generator.manual_seed(int(mixed[0]) << 31 | int(mixed[1]) >> 1)


def plan_step(
    config: PretrainConfig, names: Sequence[str], descriptions: Sequence[str], step: int
) -> StepPlan:
    """Decide what a step does.

    Args:
        config: Of the run.
        names: Noun phrase of each shape of the pool.
        descriptions: Caption of each.
        step: Its number.
    """
    generator = step_generator(config.train.seed, step)
    points, groups = choose_sizes(config, generator)
    batch = max(2, min(config.train.batch, config.train.max_groups // groups))
    # Different shapes as far as the pool goes: a shape twice would be a false negative of itself.
    shapes = generator.choice(len(names), batch, replace=batch > len(names))
    return describe(
        shapes,
        [names[i] for i in shapes],
        [descriptions[i] for i in shapes],
        choose_kinds(config.defects, batch, generator),
        (points, groups),
        generator,
    )


def describe(
    shapes: NDArray[np.int64],
    names: Sequence[str],
    descriptions: Sequence[str],
    kinds: list[tuple[str, ...]],
    sizes: tuple[int, int],
    generator: np.random.Generator,
) -> StepPlan:
    """Put words to chosen shapes and defects.

    Args:
        shapes: Index of each cloud's shape.
        names: Noun phrase of each cloud.
        descriptions: Description of each cloud's undamaged shape.
        kinds: Defects of each cloud.
        sizes: Points and groups per cloud.
        generator: The only source of randomness.
    """
    said = [caption(generator, *row) for row in zip(names, descriptions, kinds, strict=True)]
    pairs = [anchors(generator, name, of, ANCHORS) for name, of in zip(names, kinds, strict=True)]
    return StepPlan(
        shapes=shapes,
        points=sizes[0],
        groups=sizes[1],
        kinds=kinds,
        captions=said,
        name_ids=_ids(names),
        caption_ids=_ids([item.text for item in said]),
        normal=[sentence for pair in pairs for sentence in pair[0]],
        anomalous=[sentence for pair in pairs for sentence in pair[1]],
    )


def choose_sizes(config: PretrainConfig, generator: np.random.Generator) -> tuple[int, int]:
    """Points and groups per cloud, within what a step may cost."""
    train = config.train
    allowed = [
        (points, groups, weight)
        for points, weight in zip(train.points, train.points_weights, strict=True)
        for groups in train.groups
        if groups <= points and points * groups <= train.max_distances
    ]
    weights = np.array([weight for *_, weight in allowed])
    points, groups, _ = allowed[generator.choice(len(allowed), p=weights / weights.sum())]
    return points, groups


def choose_kinds(
    config: DefectsConfig, batch: int, generator: np.random.Generator
) -> list[tuple[str, ...]]:
    """Defects of each cloud of a batch."""
    known = config.kinds or BATCHED_KINDS
    counts = (generator.random(batch) < config.share) * (
        1 + (generator.random(batch) < config.second)
    )
    drawn = generator.integers(len(known), size=(batch, 2))
    return [
        tuple(known[kind] for kind in row[:count]) for row, count in zip(drawn, counts, strict=True)
    ]


def not_negatives(name_ids: Tensor, caption_ids: Tensor, senses: Tensor, full: Tensor) -> Tensor:
    """Pairs of clouds and captions of others that are no counter-examples.

    Caption j may be true of cloud i if both are of one name and it does not contradict the state
    of i. Two descriptions of specimens contradict each other unless they are the same.

    Args:
        name_ids: Equal where names are equal, (B,).
        caption_ids: Equal where captions are equal, (B,).
        senses: `Caption.sense`, (B,).
        full: `Caption.full`, (B,) bool.

    Returns:
        (B, B) bool, clouds by captions; False on the diagonal.
    """
    clouds, texts = senses[:, None], senses[None, :]
    # A caption of a certain defect is not known to be false of a cloud that has "a defect".
    state_fits = (texts == clouds) | (texts == 1) | ((clouds == 1) & (texts == 0))
    both_damaged = (clouds >= 2) & (texts >= 2)
    state_fits |= both_damaged & ((clouds == 2) | (texts == 2))
    both_full = full[:, None] & full[None, :]
    same_caption = caption_ids[:, None] == caption_ids[None, :]
    fits = (name_ids[:, None] == name_ids[None, :]) & state_fits & ~(both_full & ~same_caption)
    return (fits | same_caption) & ~torch.eye(len(senses), dtype=torch.bool, device=senses.device)


def _ids(texts: Sequence[str]) -> NDArray[np.int64]:
    known: dict[str, int] = {}
    return np.array([known.setdefault(text, len(known)) for text in texts], np.int64)
