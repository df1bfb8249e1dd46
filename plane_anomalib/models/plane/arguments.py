"""Whether the arguments of `Plane` can work, alone and together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.components.arguments import check_choices, check_numbers


def resolved(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace null by what it stands for, which goes by whether PLANE has the normal specimens.

    Args:
        values: The arguments of `Plane` by name, or some of them.

    Returns:
        All of them, `pose="auto"` left as it is.
    """
    measured = bool(values["template_context"])
    usual = {
        # Measured views take longer to make and teach more.
        "max_steps": 250 if measured else 1500,
        "views_per_cloud": 2 if measured else 1,
        # An untrained encoder adds nothing to the deviations; see the model's page.
        "point_tokens": not measured or values["backbone"] != "random",
        "object_score": "deviation" if measured else "top",
    }
    found = {**values, **{name: usual[name] for name in usual if values.get(name) is None}}
    if found.get("dynamic_prompts") is None:
        found["dynamic_prompts"] = found["point_tokens"]
    return found


def check_values(constructor: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Refuse what cannot work, before anything is built.

    Args:
        constructor: Whose annotations say which choices there are.
        values: Its arguments by name, resolved.

    Raises:
        ConfigurationError: An argument has a value that cannot work, alone or beside another.
    """
    check_choices(constructor, values)
    positive = ["num_points", "num_groups", "num_views", "temperature", "text_prompt_length"]
    positive += ["adapter_hidden", "dynamic_hidden", "object_score_share", "learning_rate"]
    positive += ["place_channels", "views_per_cloud"]
    lengths = ["point_prompt_length", "dynamic_text_length", "dynamic_point_length", "seed"]
    lengths += ["adapter_depth", "extra_points", "place_octaves"]
    rates = ["prompt_learning_rate", "place_learning_rate", "text_prompt_std"]
    weights = ["focal_weight", "focal_gamma", "dice_weight", "dice_smooth", "weight_decay"]
    check_numbers(
        values,
        above=dict.fromkeys(positive, 0),
        least=dict.fromkeys([*lengths, *weights, *rates], 0),
    )
    if values["object_score_share"] > 1:
        raise ConfigurationError(
            f"object_score_share is a share of the points, at most 1, not "
            f"{values['object_score_share']}."
        )
    for name in ("local_scales", "place_resolutions"):
        numbers = list(values[name])
        if not numbers or min(numbers) < 1 or numbers != sorted(numbers):
            raise ConfigurationError(f"{name} must be positive and ascending, not {numbers}.")
    if not max(values["max_steps"], values["max_epochs"]) > 0:
        raise ConfigurationError("Set max_steps or max_epochs above 0: PLANE is trained.")
    if not values["point_tokens"]:
        _check_geometry_alone(values)
    if values["object_score"] == "deviation" and not values["template_context"]:
        raise ConfigurationError(
            "object_score=deviation needs the normal specimens: set template_context=true, or "
            "object_score=top."
        )
    if not values["focal_weight"] + values["dice_weight"] > 0:
        raise ConfigurationError("Leave focal_weight or dice_weight above 0: PLANE needs a loss.")


def _check_geometry_alone(values: Mapping[str, Any]) -> None:
    needed = {"dynamic_prompts": False, "resolution": "points"}
    wrong = [f"{name}={values[name]}" for name, value in needed.items() if values[name] != value]
    if values["feature_adapter"].startswith("vpt"):
        wrong.append(f"feature_adapter={values['feature_adapter']}")
    if wrong:
        raise ConfigurationError(
            f"point_tokens=false leaves the point encoder out, which {' and '.join(wrong)} need: "
            "set dynamic_prompts=false, resolution=points and feature_adapter=pcfa or linear."
        )
    if not (values["local_geometry"] or values["template_context"] or values["pose"] != "none"):
        raise ConfigurationError(
            "point_tokens=false leaves PLANE nothing to judge by: set local_geometry=true."
        )
