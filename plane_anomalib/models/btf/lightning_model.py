"""BTF: distances of local descriptors to those of normal clouds."""

from __future__ import annotations

from typing import Literal

from anomalib.metrics import Evaluator
from anomalib.models.components import AnomalibModule
from anomalib.visualization import Visualizer
from torch import nn

from plane_anomalib.models.btf.torch_model import create_btf
from plane_anomalib.models.components.arguments import check_choices, check_numbers
from plane_anomalib.models.lightning.fitted import FittedMixin


class BTF(FittedMixin, AnomalibModule):
    """BTF: nearest normal descriptor, without registration or learning.

    Args:
        descriptor: `"fpfh"`, or `"raw"` coordinates.
        preset: `"fixed"`, or `"faithful"` to the public reference code with its constants and
            quirks.
        scope: `"category"`: a bank for each category; `"all"`: one for all.
        seed: Of what is drawn at random.
        pre_processor: As in anomalib; the default is none.
        post_processor: As in anomalib.
        evaluator: As in anomalib.
        visualizer: As in anomalib.

    Raises:
        ConfigurationError: An argument has a value that cannot work.
    """

    def __init__(
        self,
        descriptor: Literal["fpfh", "raw"] = "fpfh",
        preset: Literal["fixed", "faithful"] = "fixed",
        scope: Literal["category", "all"] = "category",
        seed: int = 0,
        pre_processor: nn.Module | bool = True,
        post_processor: nn.Module | bool = True,
        evaluator: Evaluator | bool = True,
        visualizer: Visualizer | bool = True,
    ) -> None:
        given = dict(locals())
        check_choices(type(self).__init__, given)
        check_numbers(given, above={}, least={"seed": 0})
        super().__init__(pre_processor, post_processor, evaluator, visualizer)
        self.model = create_btf(descriptor, preset, scope=scope, seed=seed)
