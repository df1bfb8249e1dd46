"""What PLANE can be told, and where it goes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from plane_anomalib.core.errors import ConfigurationError, WeightsError
from plane_anomalib.models.plane import Plane
from plane_anomalib.models.plane.config import PlaneConfig
from plane_anomalib.models.plane.lightning_model import Plane as Direct
from plane_anomalib.models.plane.training import TrainingView
from tests.unit.models.plane.conftest import PlaneMaker


@pytest.mark.parametrize("one_sided", [True, False, "auto"])
def test_one_sided_scans_follow_the_dataset_unless_told(
    one_sided: bool | str, make_plane: PlaneMaker, small_tree: Path
) -> None:
    from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
    from plane_anomalib.generation.defects.mixture import create_synthesis

    for told in (True, False):
        data = AnomalyShapeNet(root=small_tree)
        data.one_sided_tests = told
        view = make_plane(one_sided=one_sided, synthesis="extended").train_transform(data).view
        expected = told if one_sided == "auto" else one_sided
        assert isinstance(view, TrainingView)
        assert vars(view.synthesis) == vars(create_synthesis("extended", one_sided=expected))
    assert vars(create_synthesis("extended")) != vars(create_synthesis("extended", one_sided=True))


def test_arguments_reach_the_network_and_the_views(
    make_plane: PlaneMaker, small_tree: Path
) -> None:
    from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet

    model = make_plane(
        object_score="top", object_score_share=0.2, temperature=0.5, num_views=3, rotation="z",
        synthesis="ano3d", extra_points=5, unknown_category="error",
    )  # fmt: skip
    config = model.model.config
    assert (config.object_score, config.object_score_share) == ("top", 0.2)
    assert (config.num_views, config.unknown_category) == (3, "error")
    assert 1 / model.model.log_scale.exp().item() == pytest.approx(0.5)
    view = model.train_transform(AnomalyShapeNet(root=small_tree)).view
    assert (view.synthesis.rotation, view.extra_points) == ("z", 5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_steps": -1, "max_epochs": -1}, ConfigurationError, "Set max_steps or max_epochs"),
        ({"max_steps": 0, "max_epochs": 0}, ConfigurationError, "Set max_steps or max_epochs"),
        ({"layers": [2, 5]}, ConfigurationError, "the backbone has blocks 0 to 3"),
        (
            {"point_tokens": False, "dynamic_prompts": True},
            ConfigurationError,
            "dynamic_prompts=True need",
        ),
        (
            {"object_score": "deviation", "template_context": False},
            ConfigurationError,
            "needs the normal specimens",
        ),
        (
            {
                "point_tokens": False,
                "dynamic_prompts": False,
                "local_geometry": False,
                "template_context": False,
                "pose": "none",
            },
            ConfigurationError,
            "nothing to judge by",
        ),
        ({"backbone": "bultin"}, WeightsError, 'did you mean "builtin"'),
        ({"backbone": "nowhere.safetensors"}, WeightsError, "nowhere.safetensors"),
        ({"backbone": "ulip2-xyz"}, WeightsError, "give its path"),
    ],
)
def test_unusable_arguments_are_refused(
    arguments: dict[str, Any], error: type[Exception], message: str, make_plane: PlaneMaker
) -> None:
    with pytest.raises(error, match=message):
        make_plane(**arguments)


def test_package_exports_the_lightning_class() -> None:
    assert Plane is Direct


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"template_context": True, "backbone": "random"}, (False, False, "deviation", 250, 2)),
        ({"template_context": True, "backbone": "builtin"}, (True, True, "deviation", 250, 2)),
        ({"template_context": False, "backbone": "random"}, (True, True, "top", 1500, 1)),
        (
            {"template_context": True, "backbone": "random", "point_tokens": True, "max_steps": 7},
            (True, True, "deviation", 7, 2),
        ),
    ],
)
def test_what_is_left_open_goes_by_what_plane_is_given(
    given: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    names = ("point_tokens", "dynamic_prompts", "object_score", "max_steps", "views_per_cloud")
    found = PlaneConfig(**given).resolved()
    assert tuple(getattr(found, name) for name in names) == expected
    # Plans estimate hours without importing the model.
    left_open = PlaneConfig(**{**given, "max_steps": None})
    said = PlaneConfig(**{**given, "max_steps": left_open.resolved().max_steps})
    assert left_open.training_seconds == said.training_seconds > 100


@pytest.mark.parametrize(("point_tokens", "warned"), [(None, False), (True, True)])
def test_untrained_encoder_is_named_where_its_tokens_count(
    point_tokens: bool | None, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        Plane(point_tokens=point_tokens)
    assert ("UNTRAINED" in caplog.text) == warned
