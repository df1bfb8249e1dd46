"""What a step does and says, decided on the host before anything is computed: no one waits for it.

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

from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.generation.defects.profiles import BATCHED_KINDS, KINDS
from plane_anomalib.generation.shapes.construction import with_article
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


NORMAL = (
    "{a}", "a normal {name}", "a perfect {name}", "an intact {name}", "a flawless {name}",
    "an undamaged {name}", "a normal point cloud of {a}", "{a} without defect",
    "{a} in perfect condition", "a good {name}", "{name}",
)  # fmt: skip
"""Said of a good cloud. The first is true of a damaged one as well, and so is the last."""

ANOMALOUS = (
    "a damaged {name}", "a defective {name}", "a broken {name}", "an abnormal {name}",
    "{a} with a defect", "{a} with damage", "{a} with an anomaly",
    "an anomalous point cloud of {a}", "damaged {name}",
)  # fmt: skip
"""Said of a damaged cloud."""

OF_KIND = ("{a} with {kind}", "{kind} on {a}", "{name} with {kind}", "{kind} in {a}")
"""Said of a cloud with a certain defect."""

_PLAIN = frozenset({"{a}", "{name}"})
_SENSES = {"normal": 0, "plain": 1, "damaged": 2}


@dataclass(frozen=True)
class Caption:
    """What is said about a cloud.

    Args:
        text: The sentence.
        sense: 0 says that it is good, 1 says nothing about it, 2 and above say what is wrong.
        full: Whether it describes this specimen.
    """

    text: str
    sense: int
    full: bool


def caption(
    generator: np.random.Generator, name: str, description: str, kinds: Sequence[str]
) -> Caption:
    """Choose what to say about a cloud.

    Args:
        generator: The only source of randomness.
        name: Noun phrase.
        description: Of the undamaged shape.
        kinds: Of its defects, none if it is good.
    """
    full = generator.random() < 0.35
    if not kinds:
        if full:
            return Caption(description, 1, True)
        template = NORMAL[generator.integers(len(NORMAL))]
        sense = "plain" if template in _PLAIN else "normal"
        return Caption(_filled(template, name), _SENSES[sense], False)
    kind = kinds[int(generator.integers(len(kinds)))]
    sense_of_kind = 3 + BATCHED_KINDS.index(kind)
    if full:
        return Caption(
            f"{description} with {with_article(_word(generator, kind))}", sense_of_kind, True
        )
    if generator.random() < 0.5:
        template = OF_KIND[generator.integers(len(OF_KIND))]
        return Caption(_filled(template, name, _word(generator, kind)), sense_of_kind, False)
    template = ANOMALOUS[generator.integers(len(ANOMALOUS))]
    return Caption(_filled(template, name), _SENSES["damaged"], False)


def anchors(
    generator: np.random.Generator, name: str, kinds: Sequence[str], count: int = 2
) -> tuple[list[str], list[str]]:
    """Choose sentences for "this is as it should be" and "this is not" (T_N and T_A of eq. 6).

    Those that say nothing about the state are no anchors. Sentences that name a kind of defect
    name one that the cloud has, or any if it is good.

    Args:
        generator: The only source of randomness.
        name: Noun phrase.
        kinds: Of its defects.
        count: Sentences of each.
    """
    states = [template for template in NORMAL if template not in _PLAIN]
    normal = [_filled(states[i], name) for i in generator.choice(len(states), count, replace=False)]
    generic = generator.choice(len(ANOMALOUS), count, replace=False)
    anomalous = [_filled(ANOMALOUS[i], name) for i in generic]
    if len(kinds) < 2 and generator.random() < 0.5:
        kind = kinds[0] if kinds else BATCHED_KINDS[generator.integers(len(BATCHED_KINDS))]
        template = OF_KIND[generator.integers(len(OF_KIND))]
        anomalous[0] = _filled(template, name, _word(generator, kind))
    return normal, anomalous


def fixed_anchors(name: str) -> tuple[list[str], list[str]]:
    """Every sentence about the state that names no kind, for evaluation."""
    states = [template for template in NORMAL if template not in _PLAIN]
    return [_filled(t, name) for t in states], [_filled(t, name) for t in ANOMALOUS]


def _word(generator: np.random.Generator, kind: str) -> str:
    words = KINDS[kind].words
    return words[generator.integers(len(words))]


def _filled(template: str, name: str, kind: str = "") -> str:
    return template.format(a=with_article(name), name=name, kind=with_article(kind) if kind else "")


@dataclass(frozen=True)
class Sentences:
    """Sentences as tokens, each different one once.

    Args:
        tokens: (S, L) int64, start token first, zeros after the end token.
        end: (S,) int64, place of the end token.
        which: (K,) int64, row of each sentence given.
    """

    tokens: Tensor
    end: Tensor
    which: Tensor

    def pinned(self) -> Sentences:
        """The same where a GPU can fetch it while the host goes on."""
        return Sentences(self.tokens.pin_memory(), self.end.pin_memory(), self.which.pin_memory())

    def to(self, device: torch.device) -> Sentences:
        """The same on a device, without waiting for it."""
        parts = (self.tokens, self.end, self.which)
        return Sentences(*(part.to(device, non_blocking=True) for part in parts))


def tokenize(model: PointLanguageModel, sentences: Sequence[str]) -> Sentences:
    """Tokens of sentences, with a full stop after each, as PLANE writes names.

    Args:
        model: Whose tokenizer.
        sentences: Any number; those beyond the context are cut off.
    """
    rows: dict[str, int] = {}
    which = [rows.setdefault(sentence, len(rows)) for sentence in sentences]
    tokenizer, context = model.tokenizer, model.text.config.context_length
    encoded = [tokenizer.encode(f"{sentence}.")[: context - 2] for sentence in rows]
    longest = max(len(row) for row in encoded) + 2
    # A few lengths only, so that memory is used again.
    width = min(context, -(-longest // 16) * 16)
    tokens: NDArray[np.int64] = np.zeros((len(encoded), width), np.int64)
    tokens[:, 0] = tokenizer.start
    for row, codes in zip(tokens, encoded, strict=True):
        row[1 : len(codes) + 1] = codes
        row[len(codes) + 1] = tokenizer.end
    end = np.array([len(row) + 1 for row in encoded], np.int64)
    return Sentences(
        torch.from_numpy(tokens), torch.from_numpy(end), torch.tensor(which, dtype=torch.int64)
    )


def encode(model: PointLanguageModel, sentences: Sentences) -> Tensor:
    """Unit vectors of sentences in the joint space, (K, joint_dim) float32, gradients flowing."""
    embedded = model.text.token_embedding(sentences.tokens)
    encoded: Tensor = model.text(embedded, sentences.end)
    return torch.nn.functional.normalize(encoded.float(), dim=-1)[sentences.which]
