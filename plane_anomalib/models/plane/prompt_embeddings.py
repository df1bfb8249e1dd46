"""What PLANE's text prompts mean after training: the points of the paper's Figure 6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plane_anomalib.backbones.layers import precision_of
from plane_anomalib.models.plane.text_prompts import object_name
from plane_anomalib.models.plane.torch_model import PlaneModel


class PromptEmbeddings(NamedTuple):
    """Embeddings of the two prompts of each category.

    Attributes:
        categories: C names, those the model was trained on.
        normal: `(C, joint_dim) float32`.
        anomalous: `(C, joint_dim) float32`.
    """

    categories: list[str]
    normal: NDArray[np.float32]
    anomalous: NDArray[np.float32]


@torch.no_grad()
def prompt_embeddings(
    model: PlaneModel, clouds: Mapping[str, NDArray[np.float32]] | None = None
) -> PromptEmbeddings:
    """Encode the normal and the anomalous prompt of every category.

    Args:
        model: A trained model; its mode is left as it is.
        clouds: A cloud `(N, 3)` of each category, in its own units, to take the dynamic prompt
            from; categories without one, and all of them if left out, are encoded with the static
            prompt and the name alone.

    Returns:
        The embeddings, not normalised.
    """
    dynamic = [_dynamic(model, name, (clouds or {}).get(name)) for name in model.categories]
    rows = []
    with precision_of(model.backbone.points.blocks):
        for name, vectors in zip(model.categories, dynamic, strict=True):
            pair = model.text_prompts(model.backbone, [object_name(name)], vectors)
            rows.append(torch.cat(pair))
    width = model.backbone.joint_dim
    stacked = torch.stack(rows) if rows else torch.empty(0, 2, width)
    normal, anomalous = stacked.float().cpu().numpy().transpose(1, 0, 2)
    return PromptEmbeddings(list(model.categories), normal, anomalous)


def _dynamic(model: PlaneModel, category: str, cloud: NDArray[np.float32] | None) -> Tensor:
    """The cloud's own vectors `(1, D, width)`, the mean over its views; D is 0 without them."""
    device = model.log_scale.device
    if cloud is None or model.dynamic is None:
        return torch.zeros(1, 0, model.backbone.text_width, device=device)
    views = model.inputs().views(cloud, model.seed, model.frames().get(category))[1]
    found = []
    with precision_of(model.backbone.points.blocks):
        for view in views:
            seen = torch.from_numpy(view.points)[None, : model.settings.inputs.num_points]
            encoded = model.backbone.encode_points(
                seen.to(device),
                layers=model.settings.layers,
                num_groups=model.settings.num_groups,
                token_prompts=model.visual_prompts,
            )
            found.append(model.dynamic(encoded.pooled)[0])
    return torch.stack(found).mean(0)
