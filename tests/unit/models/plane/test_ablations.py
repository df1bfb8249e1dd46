"""Every switch of the paper's tables, through a real trainer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.watch import Watch, changed, finite, parameters
from tests.unit.models.plane.conftest import Fit, PlaneMaker

COMMON = {"text_prompts", "dynamic", "adapters", "place_prompts"}
FULL = COMMON | {"point_prompts", "log_scale"}
SWITCHES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "as it is": ({"learnable_temperature": True}, FULL),
    "linear (PCFA off)": (
        {"feature_adapter": "linear", "learnable_temperature": False},
        COMMON,
    ),
    "vpt-shallow": (
        {"feature_adapter": "vpt-shallow", "learnable_temperature": False},
        COMMON | {"visual_prompts"},
    ),
    "vpt-deep": (
        {"feature_adapter": "vpt-deep", "learnable_temperature": False},
        COMMON | {"visual_prompts"},
    ),
    "DPCM off": (
        {"dynamic_prompts": False, "learnable_temperature": False},
        COMMON - {"dynamic"} | {"point_prompts"},
    ),
    "Ano3D off": ({"synthesis": "none", "learnable_temperature": True}, FULL),
    "Ano3D": ({"synthesis": "ano3d", "learnable_temperature": True}, FULL),
    "shared prompts": ({"point_prompts": "shared", "learnable_temperature": True}, FULL),
    "no geometry": (
        {"local_geometry": False, "pose": "none", "learnable_temperature": True},
        FULL - {"place_prompts"},
    ),
    "geometry alone": (
        {"point_tokens": False, "dynamic_prompts": False, "learnable_temperature": True},
        FULL - {"dynamic"},
    ),
    "maps at groups": ({"resolution": "groups", "learnable_temperature": True}, FULL),
    "maps at points": ({"resolution": "points", "learnable_temperature": True}, FULL),
    "no extra points": ({"extra_points": 0, "learnable_temperature": True}, FULL),
    "literal Ano3D": ({"synthesis": "ano3d-literal", "learnable_temperature": True}, FULL),
    "raw tokens": ({"token_norm": False, "learnable_temperature": True}, FULL),
    "focal only": ({"dice_weight": 0.0, "learnable_temperature": True}, FULL),
    "dice only": ({"focal_weight": 0.0, "learnable_temperature": True}, FULL),
    "temperature 1": (
        {"temperature": 1.0, "learnable_temperature": False},
        FULL - {"log_scale"},
    ),
    "constant rate": ({"schedule": "constant", "learnable_temperature": True}, FULL),
    "layer 0": ({"layers": [0], "learnable_temperature": True}, FULL),
    "all layers": ({"layers": [0, 1, 2, 3], "learnable_temperature": True}, FULL),
    "longer prompts": (
        {
            "text_prompt_length": 12,
            "point_prompt_length": 8,
            "dynamic_text_length": 2,
            "dynamic_point_length": 3,
            "learnable_temperature": True,
        },
        FULL,
    ),
    "no static point prompts": (
        {"point_prompt_length": 0, "learnable_temperature": False},
        COMMON,
    ),
    "deep FFN": ({"adapter_depth": 3, "learnable_temperature": True}, FULL),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_ablation_trains_what_it_should(
    switch: str, make_plane: PlaneMaker, fit: Fit
) -> None:
    arguments, expected = SWITCHES[switch]
    watch = Watch()
    model = fit(make_plane(**arguments), callbacks=[watch])
    assert len(watch.losses) == 3
    assert finite(watch.losses)
    # The scale of the geometry channels is learnt before training.
    assert changed(watch, model) == expected
    assert not watch.backbone_trained
    assert all(value.isfinite().all() for value in parameters(model).values())
