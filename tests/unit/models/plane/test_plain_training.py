"""PLANE trained without anomalib: as Lightning trains it, and stopped and resumed alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.progress import Progress
from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.models.components.checkpoints import open_checkpoint, save_checkpoint
from plane_anomalib.models.components.method import TrainingRun, create_method
from plane_anomalib.models.plane import Plane
from tests.unit.models.plane.conftest import Fit, PlaneMaker

pytestmark = pytest.mark.slow

Clouds = list[tuple[str, list[np.ndarray]]]


@pytest.fixture(scope="session")
def clouds(small_tree: Path) -> Clouds:
    """The training clouds of the tree, in the order of its table."""
    data = AnomalyShapeNet(root=small_tree, val_split_mode="none")
    data.setup()
    pairs = data.train_data.by_category()
    return [(category, [item.points.numpy() for item in items]) for category, items in pairs]


def plain(model: Plane, **changes: Any) -> Any:
    return create_method("Plane", {**model.hparams, **changes})


def state(method: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v for k, v in method.state_dict().items() if isinstance(v, torch.Tensor)}


def assert_same(first: torch.nn.Module, second: torch.nn.Module) -> None:
    pairs = state(first), state(second)
    assert pairs[0].keys() == pairs[1].keys()
    for name, value in pairs[0].items():
        torch.testing.assert_close(pairs[1][name], value, rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"schedule": "constant", "gradient_clip": None, "weight_decay": 0.01},
        {"template_context": True, "pose": "common", "rotation": "auto", "views_per_cloud": 2},
        {"max_steps": -1, "max_epochs": 2},
    ],
)
def test_it_is_the_network_that_lightning_trains(
    arguments: dict[str, Any], make_plane: PlaneMaker, fit: Fit, clouds: Clouds
) -> None:
    data = {"samples_per_epoch": None}
    trained = fit(make_plane(**arguments), data=data)
    method = plain(trained)
    method.fit(clouds)
    assert_same(method, trained.model)


class StopAfter(Progress):
    """Presses Ctrl-C after so many training steps."""

    def __init__(self, steps: int) -> None:
        self.stages: list[tuple[str, int, int]] = []
        self.steps = steps

    def start(self, what: str, total: int, done: int = 0) -> None:
        self.stages.append((what, total, done))

    def advance(self, count: int = 1) -> None:
        if self.stages[-1][0] == "Training":
            self.steps -= count
            if not self.steps:
                raise KeyboardInterrupt


def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    make_plane: PlaneMaker, clouds: Clouds, tmp_path: Path
) -> None:
    model = make_plane(max_steps=-1, max_epochs=3, template_context=True)
    whole = plain(model)
    whole.fit(clouds)
    stopped, last = plain(model), tmp_path / "last.ckpt"
    per_epoch = -(-sum(len(each) for _, each in clouds) // 4)
    run = TrainingRun(progress=StopAfter(per_epoch + 1), checkpoint=last)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(clouds, run)
    resumed, progress = plain(model), StopAfter(10**6)
    resumed.fit(clouds, replace(run, progress=progress, resume=True))
    assert progress.stages[-1] == ("Training", 3 * per_epoch, per_epoch)
    assert_same(resumed, whole)
    with pytest.raises(ConfigurationError, match=r"repeat --model\.max_epochs=3"):
        plain(model, max_epochs=4).fit(clouds, replace(run, resume=True))
    with pytest.raises(ConfigurationError, match="cannot go on with"):
        plain(model).fit(clouds[:1], replace(run, resume=True))


def test_a_trained_method_is_saved_and_opened(
    make_plane: PlaneMaker, clouds: Clouds, tmp_path: Path
) -> None:
    method = plain(make_plane(template_context=True, pose="auto"))
    method.fit(clouds, TrainingRun(common_pose=True))
    file = tmp_path / "plane.ckpt"
    save_checkpoint(file, method)
    cloud = clouds[0][1][0][:100]
    expected = method(cloud, clouds[0][0])
    opened = open_checkpoint(file)
    assert opened.method.pose == "common"
    found = opened.method(cloud, clouds[0][0])
    np.testing.assert_array_equal(found.anomaly_map, expected.anomaly_map)
    loaded = Plane.load_from_checkpoint(file, map_location="cpu", weights_only=True)
    np.testing.assert_array_equal(loaded.model(cloud, clouds[0][0]).anomaly_map, found.anomaly_map)
    with pytest.raises(ConfigurationError, match=r"repeat --model\.num_points=64"):
        open_checkpoint(file, arguments={"num_points": 32})


def test_there_must_be_clouds(make_plane: PlaneMaker) -> None:
    for nothing in ([], [("cup", [])]):
        with pytest.raises(ConfigurationError, match="give training clouds"):
            plain(make_plane()).fit(nothing)
