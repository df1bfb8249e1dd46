"""Templates in, aligned, signed distance out: a detector without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.components.fitted_model import CloudDetector, FittedModel
from plane_anomalib.models.components.scores import CloudScores
from plane_anomalib.models.template_residual import TemplateResidualConfig
from plane_anomalib.models.template_residual.residual import (
    LEARNT,
    Context,
    ResidualJudge,
    ResidualParts,
    learn_arrays,
    smoothing_scales,
)


class TemplateResidualDetector(CloudDetector):
    """Scores a point by its distance from normal specimens, in standard deviations.

    A `ResidualJudge` whose arrays are buffers.

    Args:
        config: All choices; by default the config's own defaults.
    """

    deviation: Tensor

    def __init__(self, config: TemplateResidualConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TemplateResidualConfig()
        self.scales = smoothing_scales(config)
        for name, dtype in LEARNT.items():
            self.register_buffer(name, torch.zeros(0, dtype=getattr(torch, dtype)))
        self._judge: ResidualJudge | None = None

    def fit(self, clouds: Sequence[FloatArray]) -> None:
        """Bring the templates into one frame and measure how they differ.

        Args:
            clouds: (N_i, 3) complete scans or sampled meshes of normal specimens, any units.

        Raises:
            ConfigurationError: There is no cloud, or one is empty or not (N, 3).
        """
        for name, array in learn_arrays(self.config, clouds).items():
            setattr(self, name, torch.from_numpy(array))
        self._judge = None

    @property
    def judge(self) -> ResidualJudge:
        """Trees over the buffers, built when first needed.

        Raises:
            ConfigurationError: Nothing was fitted.
        """
        if self._judge is None:
            arrays = {name: getattr(self, name).cpu().numpy() for name in LEARNT}
            self._judge = ResidualJudge(self.config, arrays)
        return self._judge

    def forward(self, cloud: FloatArray) -> CloudScores:
        """Score one cloud.

        Args:
            cloud: (N, 3) scan, complete or one-sided, in any pose, in the units of the templates.

        Returns:
            Scores of its points and of the whole, in standard deviations of normal specimens.

        Raises:
            ConfigurationError: Nothing was fitted, or the cloud is empty or not (N, 3).
        """
        return self.judge(cloud)

    def residuals(self, cloud: FloatArray) -> ResidualParts:
        """The signed residuals behind the scores, for whoever wants to look at them.

        Args:
            cloud: (N, 3).

        Returns:
            Raw and deviation-free residuals, coverage and placement.

        Raises:
            ConfigurationError: Nothing was fitted, or the cloud is empty or not (N, 3).
        """
        return self.judge.residuals(cloud)

    def context(self, cloud: FloatArray, *, in_place: bool = False) -> Context:
        """What a learnt detector may know of each point besides the residuals' own verdict.

        Args:
            cloud: (N, 3), in the units of the templates.
            in_place: The cloud is known to lie on the templates and is taken as it lies.

        Returns:
            Channels `(N, num_context_channels(S))` in input order, see `context_channels`, and
            what can be said of the sides that the cloud shows.

        Raises:
            ConfigurationError: Nothing was fitted, or the cloud is empty or not (N, 3).
        """
        return self.judge.context(cloud, in_place=in_place)

    def laid(self, cloud: FloatArray) -> FloatArray:
        """Bring a cloud onto the templates.

        Args:
            cloud: (N, 3), in the units of the templates, in any pose.

        Returns:
            (N, 3) float32 in the units and the frame of the templates, in input order.

        Raises:
            ConfigurationError: Nothing was fitted, or the cloud is empty or not (N, 3).
        """
        return self.judge.laid(cloud)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the trees, which do not go from process to process."""
        return self.__dict__ | {"_judge": None}

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Tensor], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Build the trees anew when next needed."""
        self._judge = None
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def create_template_residual(config: TemplateResidualConfig) -> FittedModel:
    """A detector for each category; each brings a cloud onto its templates itself."""
    return FittedModel(partial(TemplateResidualDetector, config))
