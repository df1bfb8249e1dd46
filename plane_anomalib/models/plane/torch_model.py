"""PLANE as a method: trains its network on synthetic defects, and scores clouds in views."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plane_anomalib.backbones.layers import precision_of
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.progress import Progress
from plane_anomalib.geometry.neighbours import interpolate_to_points
from plane_anomalib.geometry.points import FloatArray, as_points
from plane_anomalib.models.components.checkpoints import (
    read_checkpoint,
    save_checkpoint,
    training_state,
)
from plane_anomalib.models.components.method import (
    EmbeddedPrompts,
    NormalClouds,
    TrainedMethod,
    TrainingRun,
)
from plane_anomalib.models.components.scores import CloudScores
from plane_anomalib.models.plane.compatibility import check_arguments, check_resumed_data
from plane_anomalib.models.plane.inputs import Frame, View
from plane_anomalib.models.plane.network import PlaneNetwork
from plane_anomalib.models.plane.prompts import object_name
from plane_anomalib.models.plane.template_context import Rehearsal
from plane_anomalib.models.plane.training import TrainingState, calibrate, train, training_view
from plane_anomalib.models.template_residual.deviations import total_deviation

_DEVIATING_POINTS = 10
"""Fewer than TemplateResidual takes: the probabilities are smooth already."""

NamedClouds = Iterable[tuple[str, Mapping[str, FloatArray]]]
"""Each category with its normal clouds by name, no name twice."""


class PlaneModel(PlaneNetwork, TrainedMethod):
    """PLANE without anomalib; see `PlaneConfig` for its choices."""

    def fit(self, clouds: NormalClouds, run: TrainingRun | None = None) -> None:
        """Train; see `TrainedMethod.fit`."""
        run = run or TrainingRun()
        named = {
            category: {f"{category}/{i}": as_points(cloud) for i, cloud in enumerate(given)}
            for category, given in clouds
        }
        if not named or not all(named.values()):
            raise ConfigurationError("There is no normal cloud to train on: give training clouds.")
        rehearsals = self.learn_specimens(
            named.items,
            list(named),
            common_pose=run.common_pose,
            progress=run.progress,
            total=sum(len(of) for of in named.values()),
        )
        view = training_view(self, rehearsals, one_sided=run.one_sided)
        flat = [
            (name, category, cloud) for category, of in named.items() for name, cloud in of.items()
        ]
        calibrate(self, view, flat)
        before = self._training_to_go_on(run) if run.resume else None
        for state in train(self, view, flat, run.progress, before):
            if run.checkpoint is not None:
                save_checkpoint(run.checkpoint, self, training=state)
        self.eval()

    def learn_specimens(
        self,
        clouds: Callable[[], NamedClouds],
        categories: Sequence[str],
        *,
        common_pose: bool,
        progress: Progress,
        total: int = 0,
    ) -> dict[str, Rehearsal]:
        """Learn categories, how their clouds lie, and their normal specimens.

        Args:
            clouds: Gives the training clouds, each time from the start.
            categories: Those that will be judged.
            common_pose: Whether all clouds of a category lie the same way.
            progress: Is told after each specimen.
            total: How many clouds there are; 0 where it is not known.

        Returns:
            What measures each training cloud as a new specimen; nothing without
            `template_context`.
        """
        self.set_categories(categories)
        if self.config.pose == "auto":
            self.pose = "common" if common_pose else "principal"
        if self.pose == "common":
            self.set_frames({name: Frame.around(named.values()) for name, named in clouds()})
        if self.template_context is None:
            return {}
        return self.template_context.fit(clouds(), progress, total)

    def _training_to_go_on(self, run: TrainingRun) -> TrainingState | None:
        if run.checkpoint is None:
            raise ConfigurationError("A training goes on from a checkpoint: say where it is.")
        content = read_checkpoint(run.checkpoint)
        self.check_checkpoint(content, self.arguments, resumed=True)
        check_resumed_data(content, self.categories, self.pose)
        state = training_state(content)
        if state is None:
            raise ConfigurationError(
                f"{run.checkpoint}: holds no training that could go on: train again."
            )
        weights = content["state_dict"].items()
        self.load_state_dict({k.removeprefix("model."): v for k, v in weights if k[:6] == "model."})
        return state

    def checkpoint_entries(self) -> dict[str, Any]:
        """What was learnt of the data: the categories, and how their clouds lie."""
        return {"plane_categories": list(self.categories), "plane_pose": self.pose}

    def check_checkpoint(
        self, checkpoint: Mapping[str, Any], given: Mapping[str, Any], *, resumed: bool = False
    ) -> None:
        """Compare the arguments that shape the network and its inputs; see `Method`."""
        if "plane_categories" not in checkpoint:
            raise ConfigurationError(
                "The checkpoint is not one of Plane: give --ckpt_path of a run of Plane."
            )
        check_arguments(checkpoint, given, self.backbone.state_dict(), resumed=resumed)

    def make_room(self, checkpoint: Mapping[str, Any]) -> None:
        """Make room for the prompts of the categories that were trained on."""
        self.set_categories(checkpoint["plane_categories"])
        self.pose = checkpoint["plane_pose"]

    @torch.no_grad()
    def forward(self, cloud: FloatArray, category: str = "") -> CloudScores:
        """Score every point of a cloud.

        Args:
            cloud: `(N, 3) float32` in the object's own units.
            category: What the object is; an empty one means the only category of a model of one.

        Raises:
            ConfigurationError: The category is not known and `unknown_category` is "error".
        """
        category = self._meant(category)
        context, seen, doubt = None, None, ""
        if self.template_context is not None:
            context, seen, doubt = self.template_context.measured(cloud, category)
        frame = self.frames().get(category)
        unit, views = self.inputs().views(cloud, self.config.seed, frame, context)
        return CloudScores(*self._score(unit, views, category, context), seen, doubt)

    def _score(
        self,
        unit: NDArray[np.float32],
        views: Sequence[View],
        category: str,
        context: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.float32], float]:
        """Map `(N,)` of one cloud in its unit sphere, and its object score."""
        # One view at a time: the result must not depend on how many a batch holds.
        seen = np.concatenate([self._view_scores(view, category) for view in views])
        places = np.concatenate([view.points for view in views])
        full = interpolate_to_points(places, seen, unit).astype(np.float32)
        if self.config.object_score == "deviation" and context is not None:
            return full, _mean_of_highest(full * total_deviation(context), _DEVIATING_POINTS)
        return full, self._object_score(seen)

    def _view_scores(self, view: View, category: str) -> NDArray[np.float32]:
        device = self.log_scale.device
        points = torch.from_numpy(view.points)[None].to(device)
        features = torch.from_numpy(view.features)[None].to(device)
        # The adapters follow the encoders; in training, the caller says.
        with precision_of(self.backbone.points.blocks):
            return self.maps(points, features, [category])[0].float().cpu().numpy()

    def _object_score(self, seen: NDArray[np.float32]) -> float:
        if self.config.object_score == "max":
            return float(seen.max())
        return _mean_of_highest(seen, round(self.config.object_score_share * len(seen)))

    def _meant(self, category: str) -> str:
        """A file by itself names no category, and a model of one leaves no choice."""
        return self.categories[0] if not category and len(self.categories) == 1 else category

    @torch.no_grad()
    def embedded_prompts(self, clouds: Mapping[str, FloatArray] | None = None) -> EmbeddedPrompts:
        """Encode the normal and the anomalous prompt of every category: the paper's Figure 6.

        Args:
            clouds: A cloud `(N, 3)` of each category, in its own units, to take the dynamic prompt
                from; categories without one, and all of them if left out, are encoded with the
                static prompt and the name alone.

        Returns:
            The embeddings, not normalised, `(C, joint_dim)` each.
        """
        dynamic = [self._dynamic_prompt(name, (clouds or {}).get(name)) for name in self.categories]
        rows = []
        with precision_of(self.backbone.points.blocks):
            for name, vectors in zip(self.categories, dynamic, strict=True):
                pair = self.text_prompts(self.backbone, [object_name(name)], vectors)
                rows.append(torch.cat(pair))
        width = self.backbone.joint_dim
        stacked = torch.stack(rows) if rows else torch.empty(0, 2, width)
        normal, anomalous = stacked.float().cpu().numpy().transpose(1, 0, 2)
        return EmbeddedPrompts(list(self.categories), normal, anomalous)

    def _dynamic_prompt(self, category: str, cloud: FloatArray | None) -> Tensor:
        """The cloud's own vectors `(1, D, width)`, the mean over its views; D is 0 without them."""
        device = self.log_scale.device
        if cloud is None or self.dynamic is None:
            return torch.zeros(1, 0, self.backbone.text_width, device=device)
        views = self.inputs().views(cloud, self.config.seed, self.frames().get(category))[1]
        found = []
        with precision_of(self.backbone.points.blocks):
            for view in views:
                seen = torch.from_numpy(view.points)[None, : self.config.num_points]
                encoded = self.backbone.encode_points(
                    seen.to(device),
                    layers=self.config.layers,
                    num_groups=self.config.num_groups,
                    token_prompts=self.visual_prompts,
                )
                found.append(self.dynamic(encoded.pooled)[0])
        return torch.stack(found).mean(0)


def _mean_of_highest(scores: NDArray[np.float32], count: int) -> float:
    count = min(max(count, 1), len(scores))
    return float(np.partition(scores, -count)[-count:].mean())
