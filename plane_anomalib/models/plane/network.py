"""The network of PLANE: a frozen point-language model with learnable prompts on both sides."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.encoders import create_backbone
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.plane.config import PlaneConfig
from plane_anomalib.models.plane.inputs import Frame, InputSettings, Pose
from plane_anomalib.models.plane.maps import FeatureAdapter, anomaly_probability, propagate
from plane_anomalib.models.plane.prompts import (
    DynamicPrompts,
    PlacePrompts,
    PointPrompts,
    TextPrompts,
    VisualPrompts,
    object_name,
)
from plane_anomalib.models.plane.template_context import TemplateContext

_DEVIATING_POINTS = 10
"""Fewer than TemplateResidual takes: the probabilities are smooth already."""

logger = logging.getLogger(__name__)


class PlaneNetwork(nn.Module):
    """The network of PLANE: DPCM, text prompts, PCFA and maps over a frozen backbone.

    Args:
        config: All choices.
        backbone: The frozen point-language model; by default the one that the config names.
        categories: What it is trained on; more than one makes it one model for all.

    Raises:
        ConfigurationError: The backbone has no such layers.
        WeightsError: The backbone's weights are missing or damaged.
    """

    def __init__(
        self,
        config: PlaneConfig,
        backbone: PointLanguageModel | None = None,
        categories: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.categories: tuple[str, ...] = ()
        config = config.resolved()
        backbone = backbone or _backbone(config)
        _check_layers(config.layers, backbone.num_blocks)
        self.backbone = backbone
        self.config = s = config
        self.pose: Pose = "principal" if s.pose == "auto" else s.pose
        self._warned: set[str] = set()
        draw = torch.Generator().manual_seed(s.seed)
        self.text_prompts = TextPrompts(
            backbone.text_width, s.text_prompt_length, std=s.text_prompt_std, generator=draw
        )
        self.dynamic = self._dynamic(draw) if s.dynamic_prompts else None
        self.visual_prompts = VisualPrompts.create(
            s.feature_adapter, s.point_prompt_length, backbone, generator=draw
        )
        self.token_norm = nn.LayerNorm(backbone.point_width, elementwise_affine=False)
        maps = len(s.layers) if s.point_tokens else 1
        self.adapters = nn.ModuleList(self._adapter(draw) for _ in range(maps))
        log_scale = torch.tensor(1 / s.temperature).log()
        self.log_scale = nn.Parameter(log_scale, requires_grad=s.learnable_temperature)
        self.template_context = (
            TemplateContext(seed=s.seed, sides=s.sides) if s.template_context else None
        )
        self.feature_mean: Tensor
        self.feature_std: Tensor
        self.frame_center: Tensor
        self.frame_scale: Tensor
        channels = self.inputs().channels
        self.register_buffer("feature_mean", torch.zeros(channels))
        self.register_buffer("feature_std", torch.ones(channels))
        self.set_categories(categories)

    def _dynamic(self, draw: torch.Generator) -> DynamicPrompts:
        s = self.config
        return DynamicPrompts(
            2 * self.backbone.point_width,
            self.backbone.text_width,
            self.backbone.point_width,
            num_text=s.dynamic_text_length,
            num_points=s.dynamic_point_length,
            hidden=s.dynamic_hidden,
            generator=draw,
        )

    def _adapter(self, draw: torch.Generator) -> FeatureAdapter:
        s, inputs = self.config, self.inputs()
        full = s.feature_adapter == "pcfa"
        vectors = 2 * s.point_prompt_length
        vectors += s.dynamic_point_length if s.dynamic_prompts else 0
        places = (
            PlacePrompts.width(s.place_octaves, s.place_resolutions, s.place_channels)
            if inputs.places
            else 0
        )
        tokens = self.backbone.point_width if s.point_tokens else 0
        return FeatureAdapter(
            tokens + inputs.channels + places,
            vectors * self.backbone.point_width if full else 0,
            self.backbone.joint_dim,
            hidden=s.adapter_hidden,
            depth=s.adapter_depth if full else 0,
            damped=tokens if self.backbone.weights == "random" else 0,
            generator=draw,
        )

    def set_categories(self, categories: Sequence[str]) -> None:
        """Start with fresh static prompts for these categories."""
        self.categories = tuple(categories)
        s, draw = self.config, torch.Generator().manual_seed(self.config.seed)
        shared = s.point_prompts == "shared" or not categories
        sets = 1 if shared else len(categories)
        device = self.log_scale.device
        self.point_prompts = PointPrompts(
            sets, s.point_prompt_length, self.backbone.point_width, generator=draw
        ).to(device)
        self.place_prompts = (
            PlacePrompts(
                sets,
                octaves=s.place_octaves,
                resolutions=s.place_resolutions,
                channels=s.place_channels,
                generator=draw,
            ).to(device)
            if self.inputs().places
            else None
        )
        self.register_buffer("frame_center", torch.zeros(len(categories), 3, device=device))
        self.register_buffer("frame_scale", torch.ones(len(categories), device=device))

    def inputs(self) -> InputSettings:
        """What the model sees of a cloud, its pose resolved."""
        return InputSettings.of(self.config, self.pose)

    def set_frames(self, frames: Mapping[str, Frame]) -> None:
        """Say where the clouds of each category lie."""
        for index, category in enumerate(self.categories):
            self.frame_center[index] = torch.as_tensor(frames[category].center)
            self.frame_scale[index] = frames[category].scale

    def frames(self) -> dict[str, Frame]:
        """Where the clouds of each category lie."""
        centers = self.frame_center.cpu().numpy().copy()
        scales = self.frame_scale.tolist()
        return {
            category: Frame(center, scale)
            for category, center, scale in zip(self.categories, centers, scales, strict=True)
        }

    @torch.no_grad()
    def calibrate(self, features: Tensor) -> None:
        """Standardise the geometry channels by the statistics of training views.

        Args:
            features: `(N, C)` of many points.
        """
        features = features[:, : self.inputs().channels]
        self.feature_mean.copy_(features.mean(0))
        self.feature_std.copy_(features.std(0).clamp_min(1e-4))

    def maps(self, points: Tensor, features: Tensor, categories: Sequence[str]) -> Tensor:
        """Anomaly maps of views of equally many points (eq. 1 to 6).

        Args:
            points: `(B, P + E, 3)`, in the unit sphere: what the encoder sees and E further points
                that only get scores.
            features: `(B, P + E, C)` geometry channels of the same points.
            categories: One per cloud.

        Returns:
            `(B, P + E) float32`, mean over the layers of the probability of an anomaly.
        """
        s = self.config
        indices = [self._index(category) for category in categories]
        geometry = self._geometry(features, indices)
        if not s.point_tokens:
            text, prompts = self._prompts(categories, indices, None)
            return self._map(self.adapters[0], geometry, text, prompts)
        seen = points[:, : s.num_points]
        encoded = self.backbone.encode_points(
            seen, layers=s.layers, num_groups=s.num_groups, token_prompts=self.visual_prompts
        )
        text, prompts = self._prompts(categories, indices, encoded.pooled)
        at_points = s.resolution == "points"
        spread = propagate(encoded.centers, points)
        if not at_points:
            # A center is the first point of its group.
            first = encoded.group_index[:, :, :1].expand(-1, -1, geometry.shape[-1])
            geometry = geometry.gather(1, first)
        total = torch.zeros((), device=points.device)
        for layer, adapter in zip(s.layers, self.adapters, strict=True):
            tokens = encoded.tokens[layer]
            if s.token_norm:
                tokens = self.token_norm(tokens)
            if at_points:
                tokens = spread(tokens)
            tokens = torch.cat([tokens, geometry.to(tokens.dtype)], -1)
            total = total + self._map(adapter, tokens, text, prompts)
        mean = total / len(s.layers)
        return mean if at_points else spread(mean[..., None])[..., 0]

    def _map(
        self, adapter: nn.Module, tokens: Tensor, text: tuple[Tensor, Tensor], prompts: Tensor
    ) -> Tensor:
        return anomaly_probability(adapter(tokens, prompts), *text, 1 / self.log_scale.exp())

    def _geometry(self, features: Tensor, indices: Sequence[int | None]) -> Tensor:
        """Standardised local shape and what is known of the place, `(B, P, C)`."""
        channels = self.inputs().channels
        local = (features[..., :channels] - self.feature_mean) / self.feature_std
        local = local.clamp(-5, 5)
        if self.place_prompts is None:
            return local
        places = self.place_prompts(features[..., channels:], self._sets(indices))
        return torch.cat([local, places], -1)

    def _sets(self, indices: Sequence[int | None]) -> Sequence[int | None]:
        """Which set of static prompts each cloud takes: a single set serves every category."""
        return [0] * len(indices) if len(self.point_prompts.vectors) == 1 else indices

    def _prompts(
        self, categories: Sequence[str], indices: Sequence[int | None], pooled: Tensor | None
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Text features of both polarities, and the point prompts `(B, n, W)`."""
        names = [
            "object" if index is None else object_name(category)
            for index, category in zip(indices, categories, strict=True)
        ]
        vectors = self.point_prompts(self._sets(indices))
        text = vectors.new_zeros(len(names), 0, self.backbone.text_width)
        if self.dynamic is not None and pooled is not None:
            text, dynamic = self.dynamic(pooled)
            vectors = torch.cat([vectors.to(dynamic.dtype), dynamic], 1)
        return self.text_prompts(self.backbone, names, text), vectors

    def _index(self, category: str) -> int | None:
        if category in self.categories:
            return self.categories.index(category)
        if self.config.unknown_category == "error":
            raise ConfigurationError(
                f"The model was not trained on the category {category!r}, only on "
                f"{', '.join(self.categories) or 'none'}: train it on that one too, or set "
                "unknown_category to mean."
            )
        if category not in self._warned:
            self._warned.add(category)
            logger.warning(
                "The model was not trained on the category %r: mean prompts and the word "
                '"object" serve.',
                category,
            )
        return None


def _backbone(config: PlaneConfig) -> PointLanguageModel:
    dtype = torch.bfloat16 if config.backbone_precision == "bf16" else torch.float32
    # Where its tokens are left out, that the encoder is untrained is no news.
    return create_backbone(config.backbone, dtype=dtype, warn=bool(config.point_tokens))


def _check_layers(layers: Sequence[int], num_blocks: int) -> None:
    wrong = [layer for layer in layers if not 0 <= layer < num_blocks]
    if wrong or not layers:
        raise ConfigurationError(
            f"layers={list(layers)} cannot be read: the backbone has blocks 0 to "
            f"{num_blocks - 1}, name some of them."
        )
