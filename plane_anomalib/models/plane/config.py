"""What PLANE can be told: every choice, with its default and whether it can work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.components.config import MethodConfig, check_numbers

_POSITIVE = (
    "num_points num_groups num_views temperature text_prompt_length adapter_hidden dynamic_hidden "
    "object_score_share learning_rate place_channels views_per_cloud"
)
_NOT_NEGATIVE = (
    "point_prompt_length dynamic_text_length dynamic_point_length seed adapter_depth extra_points "
    "place_octaves focal_weight focal_gamma dice_weight dice_smooth weight_decay "
    "prompt_learning_rate place_learning_rate text_prompt_std"
)


@dataclass(frozen=True)
class PlaneConfig(MethodConfig):
    """What PLANE can be told.

    Args:
        backbone: `"random"`, untrained and so far the better of ours; `"builtin"`, the package's
            trained one; the name of published weights (`plane-anomalib weights list`), or a
            file of them.
        backbone_precision: `"bf16"` holds the encoders in bfloat16, which halves their memory, and
            scores in it, adapters included; maps are float32 and near those of `"32"` (measured:
            within 0.004). Training goes by `precision`.
        num_points: Points of a view (paper: 2048).
        num_groups: Tokens of the point encoder; null as in its pretraining (paper: 512).
        point_tokens: Whether PCFA sees the point encoder's tokens; off, it judges each point by its
            geometry and place alone, `dynamic_prompts` have to be off too, and the encoder is not
            run. Null leaves them out with `template_context` and the encoder `"random"`.
        layers: 0-based blocks whose tokens become maps (paper: 2, 5, 8, 11; two cost half).
        text_prompt_length: Learnable text vectors per polarity, N.
        text_prompt_std: Standard deviation of their initial values.
        point_prompts: `"category"` for static point prompts per category, `"shared"` for one set.
        point_prompt_length: Learnable point vectors per polarity, M.
        dynamic_prompts: Whether DPCM adds prompts made from the cloud; null goes by `point_tokens`.
        dynamic_text_length: Dynamic text vectors.
        dynamic_point_length: Dynamic point vectors.
        dynamic_hidden: Hidden channels of DPCM.
        feature_adapter: `"pcfa"`; `"linear"` is PCFA off (Table 4); `"vpt-shallow"` and
            `"vpt-deep"` put prompts into the encoder instead (Table 5).
        adapter_hidden: Hidden channels of PCFA's FFN.
        adapter_depth: Hidden layers of PCFA's FFN.
        token_norm: LayerNorm without affine before the FFN; off feeds raw tokens.
        local_geometry: Feed local shape features of the full cloud to PCFA.
        local_scales: Neighbours per scale for a cloud of 12,000 points.
        template_context: Feed how far each point deviates from the category's normal specimens,
            aligned and measured as `TemplateResidual` does; off, PLANE is template-free at test
            time, as in the paper.
        sides: With `template_context`, what a scan shows: `whole`, all that the normal specimens
            show, so that whatever it does not show is missing; `one`, one side of them or a part
            of it; `auto` goes by the scan.
        pose: How PCFA knows where on the object a point lies, and which prompts of the category's
            places to take: `"common"`, all clouds of a category lie the same way; `"principal"`,
            by the cloud's own axes; `"none"`; `"auto"`, common if the dataset says so, else
            principal.
        place_octaves: Sines and cosines per coordinate.
        place_resolutions: Cells along an edge of the grids that hold the prompts of places.
        place_channels: Channels of such a prompt.
        resolution: `"groups"` makes maps at the group centers and interpolates probabilities, as
            the paper does; `"points"` interpolates tokens and makes maps at every point of a view.
        temperature: Of eq. 6 (paper: 1).
        learnable_temperature: Train it.
        focal_weight: Weight of the focal loss; 0 turns it off (Table 6).
        focal_gamma: Its gamma.
        dice_weight: Weight of the dice loss; 0 turns it off.
        dice_smooth: Its smoothing.
        object_score: `"max"` (paper); `"top"`, the mean of the highest `object_score_share`; or,
            with `template_context`, `"deviation"`: each point's deviation from the normal specimens
            times the probability that it is anomalous, the mean of the 10 highest. Null takes
            `"deviation"` where it can, else `"top"`.
        object_score_share: Share of the points.
        num_views: Views per cloud at test time; each sees other points.
        unknown_category: `"mean"` prompts with a warning, or `"error"`.
        synthesis: `"ano3d"` or `"ano3d-literal"` (paper), `"extended"`, or `"none"` (Table 4,
            Ano3D off).
        rotation: Training rotation: `"so3"` (paper), `"z"`, `"none"`, or `"auto"`: none where all
            clouds lie the same way, else so3.
        one_sided: Whether `"extended"` cuts training clouds to what one side shows; `"auto"` takes
            the dataset's word for how test scans look.
        views_per_cloud: Training views of each damaged cloud; null takes 2 with `template_context`,
            where to damage and to measure a cloud costs several times what a view does, else 1.
        extra_points: Further points per training view, on the defect where there is one, that the
            loss sees and the encoder does not.
        learning_rate: Of PCFA and its prompts (paper: 1e-4).
        prompt_learning_rate: Of DPCM and the text prompts (paper: 1e-5).
        place_learning_rate: Of the prompts of places.
        gradient_clip: Largest norm of the gradient; null for any (paper).
        weight_decay: Of all but the prompts of places.
        schedule: `"constant"` (paper) or `"one-cycle"`.
        max_steps: Training steps; -1 goes by `max_epochs` alone, and null takes 250 with
            `template_context`, whose views take longer to make and teach more, else 1500.
        max_epochs: Training epochs; -1 goes by `max_steps` alone.
        precision: `"auto"` trains in bfloat16 where the processor has it; else `"32"`, `"bf16"`.
        seed: Of weights, prompts and the points chosen at test time.
    """

    method: ClassVar[str] = "plane_anomalib.models.plane.torch_model:PlaneModel"
    seconds_per_cloud: ClassVar[float | None] = 0.5

    backbone: str = "random"
    backbone_precision: Literal["32", "bf16"] = "32"
    num_points: int = 2048
    num_groups: int | None = 64
    point_tokens: bool | None = None
    layers: Sequence[int] = (5, 11)
    text_prompt_length: int = 6
    text_prompt_std: float = 0.02
    point_prompts: Literal["category", "shared"] = "category"
    point_prompt_length: int = 4
    dynamic_prompts: bool | None = None
    dynamic_text_length: int = 1
    dynamic_point_length: int = 1
    dynamic_hidden: int = 192
    feature_adapter: Literal["pcfa", "linear", "vpt-shallow", "vpt-deep"] = "pcfa"
    adapter_hidden: int = 256
    adapter_depth: int = 2
    token_norm: bool = True
    local_geometry: bool = True
    local_scales: Sequence[int] = (16, 48, 128, 320)
    template_context: bool = True
    sides: Literal["auto", "whole", "one"] = "auto"
    pose: Literal["auto", "common", "principal", "none"] = "auto"
    place_octaves: int = 6
    place_resolutions: Sequence[int] = (8, 16, 32, 64, 128)
    place_channels: int = 4
    resolution: Literal["groups", "points"] = "points"
    temperature: float = 0.07
    learnable_temperature: bool = True
    focal_weight: float = 1.0
    focal_gamma: float = 2.0
    dice_weight: float = 1.0
    dice_smooth: float = 1.0
    object_score: Literal["max", "top", "deviation"] | None = None
    object_score_share: float = 0.01
    num_views: int = 4
    unknown_category: Literal["mean", "error"] = "mean"
    synthesis: Literal["ano3d", "ano3d-literal", "extended", "none"] = "extended"
    rotation: Literal["auto", "so3", "z", "none"] = "auto"
    one_sided: bool | Literal["auto"] = "auto"
    views_per_cloud: int | None = None
    extra_points: int = 256
    learning_rate: float = 2e-3
    prompt_learning_rate: float = 2e-3
    place_learning_rate: float = 1e-2
    gradient_clip: float | None = 1.0
    weight_decay: float = 1e-2
    schedule: Literal["constant", "one-cycle"] = "one-cycle"
    max_steps: int | None = None
    max_epochs: int = -1
    precision: Literal["auto", "32", "bf16"] = "auto"
    seed: int = 0

    @property
    def training_seconds(self) -> float:
        """Of 250 steps with the specimens' comparison 10 minutes, of 2,500 without 24."""
        per_step = 2.0 if self.template_context else 0.6
        return per_step * max(self.resolved().max_steps or 0, 0)

    def resolved(self) -> PlaneConfig:
        """Replace null by what it stands for, which goes by whether PLANE has the specimens.

        `pose="auto"`, which only the data can tell, is left as it is.
        """
        measured = self.template_context
        usual: dict[str, Any] = {
            # Measured views take longer to make and teach more.
            "max_steps": 250 if measured else 1500,
            "views_per_cloud": 2 if measured else 1,
            # An untrained encoder adds nothing to the deviations; see the model's page.
            "point_tokens": not measured or self.backbone != "random",
            "object_score": "deviation" if measured else "top",
        }
        found = {name: usual[name] for name in usual if getattr(self, name) is None}
        if self.dynamic_prompts is None:
            found["dynamic_prompts"] = found.get("point_tokens", self.point_tokens)
        return replace(self, **found) if found else self

    def check(self) -> None:
        """Refuse what cannot work, before anything is built."""
        resolved = self.resolved()
        if resolved is self:
            self._check_resolved()

    def _check_resolved(self) -> None:
        check_numbers(
            vars(self),
            above=dict.fromkeys(_POSITIVE.split(), 0),
            least=dict.fromkeys(_NOT_NEGATIVE.split(), 0),
        )
        if self.object_score_share > 1:
            raise ConfigurationError(
                f"object_score_share is a share of the points, at most 1, not "
                f"{self.object_score_share}."
            )
        for name in ("local_scales", "place_resolutions"):
            numbers = list(getattr(self, name))
            if not numbers or min(numbers) < 1 or numbers != sorted(numbers):
                raise ConfigurationError(f"{name} must be positive and ascending, not {numbers}.")
        if not max(self.max_steps or 0, self.max_epochs) > 0:
            raise ConfigurationError("Set max_steps or max_epochs above 0: PLANE is trained.")
        if not self.point_tokens:
            self._check_geometry_alone()
        if self.object_score == "deviation" and not self.template_context:
            raise ConfigurationError(
                "object_score=deviation needs the normal specimens: set template_context=true, or "
                "object_score=top."
            )
        if not self.focal_weight + self.dice_weight > 0:
            raise ConfigurationError(
                "Leave focal_weight or dice_weight above 0: PLANE needs a loss."
            )

    def _check_geometry_alone(self) -> None:
        needed = {"dynamic_prompts": False, "resolution": "points"}
        wrong = [f"{n}={getattr(self, n)}" for n, v in needed.items() if getattr(self, n) != v]
        if self.feature_adapter.startswith("vpt"):
            wrong.append(f"feature_adapter={self.feature_adapter}")
        if wrong:
            raise ConfigurationError(
                f"point_tokens=false leaves the point encoder out, which {' and '.join(wrong)} "
                "need: set dynamic_prompts=false, resolution=points and feature_adapter=pcfa or "
                "linear."
            )
        if not (self.local_geometry or self.template_context or self.pose != "none"):
            raise ConfigurationError(
                "point_tokens=false leaves PLANE nothing to judge by: set local_geometry=true."
            )
