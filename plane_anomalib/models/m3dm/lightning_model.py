"""M3DM on point clouds: features of a point transformer in a memory bank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from anomalib.metrics import Evaluator
from anomalib.models.components import AnomalibModule
from anomalib.visualization import Visualizer
from torch import nn

from plane_anomalib.backbones.encoders import create_point_encoder
from plane_anomalib.models.components.arguments import check_choices, check_numbers
from plane_anomalib.models.lightning.fitted import FittedMixin
from plane_anomalib.models.m3dm.torch_model import create_m3dm


class M3DM(FittedMixin, AnomalibModule):
    """M3DM, its point branch: nearest normal feature of a point transformer.

    Args:
        backbone: `"builtin"`, the name of published weights (the paper's: `"point-mae"`; see
            `plane-anomalib weights list`), or a file of them.
        preset: `"fixed"`, or `"faithful"` to the public reference code with its constants and
            quirks.
        num_groups: Groups per cloud; by default the preset's (1,024; faithful: 16,384).
        scope: `"category"`: a bank for each category; `"all"`: one for all.
        seed: Of what is drawn at random.
        pre_processor: As in anomalib; the default is none.
        post_processor: As in anomalib.
        evaluator: As in anomalib.
        visualizer: As in anomalib.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
        WeightsError: The encoder's weights are missing or damaged.
    """

    contract_arguments: ClassVar[Mapping[str, Any]] = {"num_groups": 64}

    def __init__(
        self,
        backbone: str = "builtin",
        preset: Literal["fixed", "faithful"] = "fixed",
        num_groups: int | None = None,
        scope: Literal["category", "all"] = "category",
        seed: int = 0,
        pre_processor: nn.Module | bool = True,
        post_processor: nn.Module | bool = True,
        evaluator: Evaluator | bool = True,
        visualizer: Visualizer | bool = True,
    ) -> None:
        given = dict(locals())
        check_choices(type(self).__init__, given)
        check_numbers(given, above={"num_groups": 0}, least={"seed": 0})
        super().__init__(pre_processor, post_processor, evaluator, visualizer)
        self.encoder = create_point_encoder(backbone)
        self.model = create_m3dm(
            self.encoder, preset, num_groups=num_groups, scope=scope, seed=seed
        )
