"""Every choice that shapes PLANE's network, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from plane_anomalib.models.plane.inputs import InputSettings


@dataclass(frozen=True)
class PlaneSettings:
    """Every choice of plane.md that shapes the network; `Plane` documents them one by one."""

    inputs: InputSettings = field(default_factory=InputSettings)
    layers: tuple[int, ...] = (2, 5, 8, 11)
    num_groups: int | None = None
    point_tokens: bool = True
    text_prompt_length: int = 6
    text_prompt_std: float = 0.02
    point_prompt_length: int = 4
    point_prompts: str = "category"
    place_octaves: int = 6
    place_resolutions: tuple[int, ...] = (8, 16, 32, 64, 128)
    place_channels: int = 4
    dynamic_prompts: bool = True
    dynamic_text_length: int = 1
    dynamic_point_length: int = 1
    dynamic_hidden: int = 192
    feature_adapter: str = "pcfa"
    adapter_hidden: int = 256
    adapter_depth: int = 2
    token_norm: bool = True
    resolution: str = "points"
    temperature: float = 0.07
    learnable_temperature: bool = False
    object_score: str = "max"
    object_score_share: float = 0.01
    unknown_category: str = "mean"

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> PlaneSettings:
        """Pick out the arguments of `Plane` that shape the network.

        Args:
            arguments: By name; `pose="auto"` stands for "principal" until the data say otherwise.
        """
        known = {name: _frozen(value) for name, value in arguments.items()}
        known["pose"] = "principal" if known["pose"] == "auto" else known["pose"]
        inputs = InputSettings(**{f.name: known[f.name] for f in fields(InputSettings)})
        rest = {f.name: known[f.name] for f in fields(cls) if f.name != "inputs"}
        return cls(inputs=inputs, **rest)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
