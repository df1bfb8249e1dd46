"""TemplateResidual: signed distance to the aligned normal specimens, no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import MODELS
from plane_anomalib.models.components.config import MethodConfig, check_numbers


@dataclass(frozen=True)
class TemplateResidualConfig(MethodConfig):
    """What TemplateResidual can be told.

    Args:
        registration: Search for the pose of clouds that do not lie on the templates; off, every
            cloud is taken as it lies.
        calibrate: Divide residuals by the spread of normal specimens at that place; off, by their
            spread over the whole object.
        remove_deviation: Measure also after the specimen's low-frequency deviation was removed.
        coverage: Add what is missing, see `sides`.
        sides: What a scan shows: `whole`, all that the normal specimens show, so that whatever it
            does not show is missing; `one`, one side of them or a part of it, so that nothing is;
            `auto` goes by the scan: what looks like one view of the specimens is one.
        smoothing: Average residuals over neighbours; off, each point stands alone.
        scales: Numbers of neighbours to average over; the largest deviation counts.
        wavelength: Width of the smooth deviations, as a share of the longest side.
        object_points: The score of a cloud is the mean over so many highest points.
        max_points: Larger clouds are scored at so many points and interpolated.
        seed: Of every draw; the same seed gives the same bits.
    """

    method: ClassVar[str] = (
        "plane_anomalib.models.template_residual.torch_model:create_template_residual"
    )
    judge: ClassVar[str] = "plane_anomalib.models.template_residual.residual:ResidualJudge"
    seconds_per_cloud: ClassVar[float | None] = 0.4

    registration: bool = True
    calibrate: bool = True
    remove_deviation: bool = True
    coverage: bool = True
    sides: Literal["auto", "whole", "one"] = "auto"
    smoothing: bool = True
    scales: Sequence[int] = (6, 16, 48)
    wavelength: float = 0.2
    object_points: int = 50
    max_points: int = 40_000
    seed: int = 0

    def check(self) -> None:
        """Refuse numbers that are too small."""
        check_numbers(vars(self), above={}, least={"seed": 0})
        if not self.scales or min(self.scales) < 1:
            raise ConfigurationError(
                f"scales must be neighbour counts from 1 up, not {self.scales}."
            )
        if not self.wavelength > 0 or self.object_points < 1 or self.max_points < 1:
            raise ConfigurationError(
                "wavelength, object_points and max_points must be positive, not "
                f"{self.wavelength}, {self.object_points} and {self.max_points}."
            )


def __getattr__(name: str) -> Any:
    """The anomalib model, imported when it is asked for: the method itself needs no anomalib."""
    if name == "TemplateResidual":
        return MODELS.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
