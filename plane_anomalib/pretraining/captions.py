"""What is said about a cloud: captions for the contrast, anchors for the segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.generation.defects.kinds import BATCHED_KINDS, KINDS
from plane_anomalib.generation.shapes.captions import with_article

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
