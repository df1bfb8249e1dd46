"""What a pretraining run does, in numbers, and how a recipe is read from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plane_anomalib.core.errors import ConfigurationError, what_was_meant
from plane_anomalib.core.typed_data import read_yaml
from plane_anomalib.generation.defects.profiles import BATCHED_KINDS

Range = tuple[float, float]

LOSSES = ("contrast", "masked", "segmentation", "state", "normals", "curvature")
"""Names of the losses, which are those of their weights."""


@dataclass(frozen=True)
class PoolConfig:
    """The shapes that clouds are drawn from.

    Args:
        shapes: How many, over all families but the held-out ones.
        points: Points of each.
        folder: A folder of the user's own meshes and clouds to add, or None.
        own_share: Share of the pool that they make up, if there are any.
        cache: Folder in which the pool is kept between runs, or None.
        workers: Processes that make it; 0 for as many as there are cores.
    """

    shapes: int = 3000
    points: int = 8192
    folder: str | None = None
    own_share: float = 0.25
    cache: str | None = None
    workers: int = 0


@dataclass(frozen=True)
class ViewsConfig:
    """How a scan differs from the shape. Lengths in the unit sphere.

    Args:
        stretch: Factor per axis, uniform.
        warp: Largest amplitude of the smooth warp's waves.
        one_sided: Share of the clouds seen from one side only.
        density: Share of the clouds whose density changes across them.
        noise: Standard deviation of the sensor's noise, (low, high); small is more frequent.
        thinned: Largest share of the points lost at random, so that the number left tells nothing.
    """

    stretch: Range = (0.8, 1.25)
    warp: float = 0.04
    one_sided: float = 0.3
    density: float = 0.4
    noise: Range = (0.0, 0.005)
    thinned: float = 0.25


@dataclass(frozen=True)
class DefectsConfig:
    """The pseudo-anomalies.

    Args:
        share: Share of the clouds that get any.
        second: Share of those that get a second one.
        patch: Size of a patch as a share of the visible points, log-uniform.
        amplitude: Greatest displacement in the unit sphere, log-uniform.
        kinds: Kinds to draw from; empty for all.
    """

    share: float = 0.65
    second: float = 0.3
    patch: Range = (0.004, 0.06)
    amplitude: Range = (0.01, 0.12)
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class LossesConfig:
    """Weights of the losses; what has weight 0 is not computed at all.

    Args:
        contrast: Clouds with captions.
        masked: Masked point modelling.
        segmentation: Pseudo-anomalies through the text anchors (eq. 6).
        state: Whole clouds, normal or damaged, through the same anchors.
        normals: Mean normal of each group.
        curvature: How much the normals of a group differ.
        temperature: Of segmentation and state.
        visible: Share of the groups that the encoder sees in masked modelling, uniform.
        masked_share: Share of the batch used for masked modelling.
    """

    contrast: float = 1.0
    masked: float = 1.0
    segmentation: float = 2.0
    state: float = 0.3
    normals: float = 0.3
    curvature: float = 0.1
    temperature: float = 0.07
    visible: Range = (0.4, 0.5)
    masked_share: float = 0.5


@dataclass(frozen=True)
class ModelConfig:
    """The shapes of the encoders, where they differ from the built-in model's.

    Args:
        points: Fields of `PointTransformerConfig`.
        text: Fields of `TextEncoderConfig`.
        layers: Blocks whose tokens meet the text.
        decoder_depth: Blocks of the masked modelling's decoder.
    """

    points: Mapping[str, Any] = field(default_factory=dict)
    text: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[int, ...] = (2, 5, 8, 11)
    decoder_depth: int = 2


@dataclass(frozen=True)
class TrainConfig:
    """The optimisation.

    Args:
        steps: Number of steps.
        minutes: If given, `steps` is set so that training takes that long, from the speed measured
            over the first steps; the number is printed and stored, and gives the same run again.
        batch: Most clouds per step.
        groups: Group counts to draw from.
        points: Point counts to draw from.
        points_weights: How often each.
        max_groups: Most groups per step, over all clouds: many groups mean fewer clouds.
        max_distances: Most points times groups per cloud.
        learning_rate: The highest.
        warmup: Steps until it is reached.
        weight_decay: Of matrices; not of norms, biases and embeddings.
        clip: Largest norm of the gradient.
        ema: Decay of the averaged weights that are evaluated and exported; 0 for none.
        seed: Of everything.
        log_every: Steps between lines of the log.
        evaluate_every: Steps between evaluations on held-out shapes; 0 for the end only.
        checkpoint_minutes: Minutes between checkpoints.
    """

    steps: int = 6000
    minutes: float | None = None
    batch: int = 256
    groups: tuple[int, ...] = (64, 128, 256, 512)
    points: tuple[int, ...] = (1024, 2048, 4096, 8192)
    points_weights: tuple[float, ...] = (0.3, 0.4, 0.2, 0.1)
    max_groups: int = 65536
    max_distances: int = 2_097_152
    learning_rate: float = 1e-3
    warmup: int = 300
    weight_decay: float = 0.05
    clip: float = 1.0
    ema: float = 0.0
    seed: int = 0
    log_every: int = 20
    evaluate_every: int = 0
    checkpoint_minutes: float = 10.0


@dataclass(frozen=True)
class EvaluationConfig:
    """The evaluation on shapes that are never trained on.

    Args:
        seen: Unseen specimens per trained family.
        held_out: Specimens per held-out family.
        points: Points per cloud.
        groups: Groups per cloud.
    """

    seen: int = 4
    held_out: int = 16
    points: int = 2048
    groups: int = 256


@dataclass(frozen=True)
class PretrainConfig:
    """All of a run; see the parts."""

    pool: PoolConfig = PoolConfig()
    views: ViewsConfig = ViewsConfig()
    defects: DefectsConfig = DefectsConfig()
    losses: LossesConfig = LossesConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigurationError: Which value, and why.
        """
        _require(self.pool.shapes > 0, "pool.shapes must be at least 1")
        self._check_sizes()
        for kind in self.defects.kinds:
            if kind not in BATCHED_KINDS:
                meant = what_was_meant(kind, BATCHED_KINDS)
                raise ConfigurationError(f"defects.kinds has no {kind}: {meant}")
        losses = self.losses
        _require(
            0 < losses.visible[0] <= losses.visible[1] < 1,
            "losses.visible must be two shares between 0 and 1, ascending",
        )
        weights = [getattr(losses, name) for name in LOSSES]
        _require(
            min(weights) >= 0 and max(weights) > 0,
            "the weights in losses must not be negative, and at least one must be positive",
        )

    def _check_sizes(self) -> None:
        train = self.train
        _require(
            len(train.points) == len(train.points_weights),
            "train.points_weights needs one weight for each of train.points",
        )
        _require(max(train.points) <= self.pool.points, "train.points cannot exceed pool.points")
        _require(
            min(train.groups) <= min(train.points),
            "the smallest of train.groups must not exceed the smallest of train.points",
        )
        _require(
            min(train.groups) * min(train.points) <= train.max_distances,
            "train.max_distances forbids every choice of points and groups",
        )
        _require(
            train.max_groups >= 2 * max(train.groups),
            "train.max_groups must allow a batch of two clouds of the largest of train.groups",
        )
        _require(train.batch >= 2, "train.batch must be at least 2, or there is no contrast")


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ConfigurationError(f"{sentence}.")


def load_config(path: str | Path) -> PretrainConfig:
    """Read a YAML file.

    Args:
        path: The file.

    Raises:
        ConfigurationError: The file is missing, not YAML, or has an unknown or wrong entry.
    """
    return read_yaml(PretrainConfig, path)
