"""PLANE's training: views of normal clouds with synthetic defects, their loss, and the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from plane_anomalib.core.progress import Progress
from plane_anomalib.data.clouds import Draw, EpochSampler
from plane_anomalib.data.settings import LoaderSettings
from plane_anomalib.generation.defects.corruption import (
    AnomalyTransform,
    RotationMode,
    random_rotation,
)
from plane_anomalib.generation.defects.mixture import create_synthesis
from plane_anomalib.generation.scans import another_specimen, nearly_registered
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.plane.config import PlaneConfig
from plane_anomalib.models.plane.inputs import Frame, InputSettings
from plane_anomalib.models.plane.maps import dice_loss, focal_loss
from plane_anomalib.models.plane.network import PlaneNetwork
from plane_anomalib.models.plane.template_context import Rehearsal

STEPS_PER_EPOCH = 100
"""Of a training that is measured in steps: one pass over four clouds would be all overhead."""
BATCH_SIZE = LoaderSettings.train_batch_size
_CALIBRATION_VIEWS = 24

TrainingCloud = tuple[str, str, FloatArray]
"""Name, category and points `(N, 3)` of a normal cloud."""
TrainingState = dict[str, Any]
"""What a training needs to go on: steps done, and the states of optimizer and schedule."""


class TrainingSample(NamedTuple):
    """Views of a damaged cloud, one after the other.

    Attributes:
        points: `(V * (P + E), 3)` in the unit sphere.
        features: `(V * (P + E), C)` geometry channels.
        mask: `(V * (P + E),) bool`, true on the defect.
        anomalous: Whether the cloud has a defect.
    """

    points: Tensor
    features: Tensor
    mask: Tensor
    anomalous: bool


@dataclass(frozen=True)
class TrainingView:
    """Makes views of training clouds with a synthetic defect; runs in a loader's workers.

    The defect is made on the full cloud, which is renormalised after it (otherwise the radius
    gives the label away), and then some of its points are shown: to damage and to measure a cloud
    costs several times what a view of it does.

    Attributes:
        inputs: What PLANE sees of a cloud.
        synthesis: Makes the defect.
        views: How many views of the same damaged cloud, of different points as far as it has them.
        extra_points: Further points of each view, from the defect where there is one, that the loss
            sees and the encoder does not: seen, their density would give the defect away.
        frames: Where the clouds of each category lie, if they all lie the same way.
        rehearsals: By name of a training cloud, what measures it as a new specimen; its cloud is
            used in place of the one that is given.
        rotation: Of clouds with a rehearsal, after they were measured.
    """

    inputs: InputSettings
    synthesis: AnomalyTransform
    views: int = 1
    extra_points: int = 0
    frames: Mapping[str, Frame] = field(default_factory=dict)
    rehearsals: Mapping[str, Rehearsal] = field(default_factory=dict)
    rotation: RotationMode = "none"

    def __call__(
        self, name: str, category: str, normal: FloatArray, generator: np.random.Generator
    ) -> TrainingSample:
        """Corrupt and cut.

        Args:
            name: Of the cloud.
            category: Its category.
            normal: `(N, 3)`, a normal cloud of any size.
            generator: The only source of randomness.

        Returns:
            For each view `inputs.num_points` points in the unit sphere and then the extra ones,
            with labels and geometry channels.
        """
        rehearsal = self.rehearsals.get(name)
        if rehearsal is not None:
            deviation = float(rehearsal.detector.deviation)
            normal = another_specimen(rehearsal.cloud, deviation, generator)
        cloud = self.synthesis(normal, generator)
        mask, points = cloud.mask, cloud.points
        chosen = self._choose(mask, generator)
        context = None
        if rehearsal is not None:
            detector = rehearsal.detector
            laid = points if bool(detector.posed) else nearly_registered(points, generator)
            context = detector.context(laid, in_place=True).channels[chosen]
            if self.rotation != "none":
                points = points @ random_rotation(self.rotation, generator).T
        view = self.inputs.view(points, chosen, self.frames.get(category), context)
        return TrainingSample(
            torch.from_numpy(view.points),
            torch.from_numpy(view.features),
            torch.from_numpy(mask[chosen]),
            bool(mask.any()),
        )

    def _choose(self, mask: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.int64]:
        size = (self.views, self.inputs.num_points)
        seen = np.resize(generator.permutation(len(mask)), size)
        pool = np.flatnonzero(mask) if mask.any() else np.arange(len(mask))
        extra = generator.choice(pool, (self.views, self.extra_points))
        return np.concatenate([seen, extra], axis=1).ravel()


def training_view(
    network: PlaneNetwork, rehearsals: Mapping[str, Rehearsal], *, one_sided: bool
) -> TrainingView:
    """The views that a network is to be trained on.

    Args:
        network: Knows its categories and how their clouds lie.
        rehearsals: What measures the training clouds, where the network sees deviations.
        one_sided: Whether clouds to be judged show one side of the object.
    """
    config, common = network.config, network.pose == "common"
    rotation: RotationMode = config.rotation if config.rotation != "auto" else "so3"
    if config.rotation == "auto" and common:
        rotation = "none"
    measured = network.template_context is not None
    return TrainingView(
        inputs=network.inputs(),
        synthesis=create_synthesis(
            config.synthesis,
            # What is measured has to lie on the specimens until then.
            rotation="none" if measured else rotation,
            one_sided=one_sided if config.one_sided == "auto" else config.one_sided,
            measured=measured,
        ),
        views=config.views_per_cloud or 1,
        extra_points=config.extra_points,
        frames=network.frames() if common else {},
        rehearsals=rehearsals,
        rotation=rotation,
    )


def calibration_draws(clouds: int, seed: int) -> list[Draw]:
    """Which training views say how the geometry channels are scaled, the same for the same seed.

    Args:
        clouds: How many training clouds there are.
        seed: Chooses the views' defects.
    """
    rows = np.linspace(0, clouds - 1, _CALIBRATION_VIEWS).astype(int)
    # Epochs count up from 0: these draws are none that training will see.
    return [Draw(int(row), epoch=2**32 + seed, repeat=i) for i, row in enumerate(rows)]


def calibrate(network: PlaneNetwork, view: TrainingView, clouds: Sequence[TrainingCloud]) -> None:
    """Learn the scale of the geometry channels from some training views."""
    if not network.inputs().channels:
        return
    seed = network.config.seed
    samples = [
        view(*clouds[draw.row], draw.generator(seed))
        for draw in calibration_draws(len(clouds), seed)
    ]
    network.calibrate(torch.cat([sample.features for sample in samples]))


def training_loss(
    network: PlaneNetwork,
    points: Tensor,
    features: Tensor,
    mask: Tensor,
    categories: Sequence[str],
) -> Tensor:
    """Focal and dice loss of the mean map (eq. 7).

    Args:
        network: Is trained.
        points: `(B * V * (P + E), 3)`, the views of B clouds end to end.
        features: Their geometry channels.
        mask: Their labels.
        categories: One per cloud.
    """
    config = network.config
    views = config.views_per_cloud or 1
    points = points.view(len(categories) * views, -1, 3)
    names = [name for name in categories for _ in range(views)]
    # Not -1 for the number of points: there may be no channels.
    features = features.view(*points.shape[:2], features.shape[-1])
    target = mask.view(points.shape[:2]).float()
    bf16 = _wants_bf16(config.precision, points.device)
    with torch.autocast(points.device.type, torch.bfloat16, enabled=bf16):
        maps = network.maps(points, features, names)
    focal = focal_loss(maps, target, config.focal_gamma)
    dice = dice_loss(maps, target, config.dice_smooth)
    return config.focal_weight * focal + config.dice_weight * dice


def create_optimizer(network: PlaneNetwork, steps: int) -> tuple[Optimizer, LRScheduler | None]:
    """AdamW (Adam where `weight_decay` is 0) with three rates, and their schedule.

    Args:
        network: Is trained.
        steps: Length of the schedule.

    Returns:
        The optimizer, and the schedule, None for constant rates.
    """
    config = network.config
    prompts = _parameters(network.text_prompts, network.dynamic)
    places = _parameters(network.place_prompts)
    taken = {id(p) for p in (*prompts, *places)}
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in taken]
    groups: list[dict[str, Any]] = [
        {"params": rest, "lr": config.learning_rate},
        {"params": prompts, "lr": config.prompt_learning_rate},
        # Decay would forget places that few views show.
        {"params": places, "lr": config.place_learning_rate, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    if config.schedule == "constant":
        return optimizer, None
    return optimizer, OneCycleLR(optimizer, [g["lr"] for g in groups], total_steps=steps)


def train(
    network: PlaneNetwork,
    view: TrainingView,
    clouds: Sequence[TrainingCloud],
    progress: Progress,
    state: TrainingState | None = None,
) -> Iterator[TrainingState]:
    """Train step by step; the same arguments give the same network, interrupted or not.

    Args:
        network: Is trained.
        view: Makes its views.
        clouds: Normal ones.
        progress: Is told after each step.
        state: Of the training that goes on, the network's state loaded.

    Yields:
        After each whole epoch, what the training needs to go on from there.
    """
    draws, per_epoch, total = _length(network.config, len(clouds))
    optimizer, schedule = create_optimizer(network, total)
    done = 0 if state is None else state["step"]
    if state is not None:
        optimizer.load_state_dict(state["optimizer"])
        if schedule is not None:
            schedule.load_state_dict(state["schedule"])
    progress.start("Training", total, done)
    sampler = EpochSampler(len(clouds), draws, network.config.seed)
    while done < total:
        sampler.set_epoch(done // per_epoch)
        drawn = iter(sampler)
        while done < total and (batch := list(islice(drawn, BATCH_SIZE))):
            _step(network, view, [clouds[d.row] for d in batch], batch, optimizer)
            if schedule is not None:
                schedule.step()
            done += 1
            progress.advance()
        if done % per_epoch == 0:
            moved = None if schedule is None else schedule.state_dict()
            yield {"step": done, "optimizer": optimizer.state_dict(), "schedule": moved}


def _length(config: PlaneConfig, clouds: int) -> tuple[int, int, int]:
    """Draws of an epoch, steps of an epoch, and steps of the training."""
    steps, epochs = max(config.max_steps or 0, 0), max(config.max_epochs, 0)
    draws = STEPS_PER_EPOCH * BATCH_SIZE if steps else clouds
    per_epoch = -(-draws // BATCH_SIZE)
    return draws, per_epoch, min(n for n in (steps, epochs * per_epoch) if n)


def _step(
    network: PlaneNetwork,
    view: TrainingView,
    clouds: Sequence[TrainingCloud],
    draws: Sequence[Draw],
    optimizer: Optimizer,
) -> None:
    config, device = network.config, network.log_scale.device
    samples = [
        view(*cloud, draw.generator(config.seed)) for cloud, draw in zip(clouds, draws, strict=True)
    ]
    loss = training_loss(
        network,
        torch.cat([sample.points for sample in samples]).to(device),
        torch.cat([sample.features for sample in samples]).to(device),
        torch.cat([sample.mask for sample in samples]).to(device),
        [category for _, category, _ in clouds],
    )
    optimizer.zero_grad()
    loss.backward()
    if config.gradient_clip:
        learning = [p for group in optimizer.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(learning, config.gradient_clip)
    optimizer.step()


def _parameters(*modules: nn.Module | None) -> list[nn.Parameter]:
    return [p for module in modules if module is not None for p in module.parameters()]


def _wants_bf16(precision: str, device: torch.device) -> bool:
    if precision != "auto":
        return precision == "bf16"
    # Without the instructions bfloat16 is emulated, slower than float32.
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return device.type == "cpu" and bool(supported())
