"""Reg3DAD: registered coordinates and features of a point transformer."""

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
from plane_anomalib.models.reg3dad.torch_model import create_reg3dad


class Reg3DAD(FittedMixin, AnomalibModule):
    """Reg3DAD: registered coordinates and point transformer features, half and half.

    Args:
        backbone: `"builtin"`, the name of published weights (the paper's: `"point-mae"`; see
            `plane-anomalib weights list`), or a file of them.
        preset: `"fixed"`, or `"faithful"` to the public reference code with its constants and
            quirks.
        coreset_size: Rows kept per bank; by default 10,000.
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

    contract_arguments: ClassVar[Mapping[str, Any]] = {"coreset_size": 200}

    def __init__(
        self,
        backbone: str = "builtin",
        preset: Literal["fixed", "faithful"] = "fixed",
        coreset_size: int | None = None,
        scope: Literal["category", "all"] = "category",
        seed: int = 0,
        pre_processor: nn.Module | bool = True,
        post_processor: nn.Module | bool = True,
        evaluator: Evaluator | bool = True,
        visualizer: Visualizer | bool = True,
    ) -> None:
        given = dict(locals())
        check_choices(type(self).__init__, given)
        check_numbers(given, above={"coreset_size": 0}, least={"seed": 0})
        super().__init__(pre_processor, post_processor, evaluator, visualizer)
        self.encoder = create_point_encoder(backbone)
        self.model = create_reg3dad(
            self.encoder, preset, coreset_size=coreset_size, scope=scope, seed=seed
        )
