"""A checkpoint and the arguments and data it is loaded with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from plane_anomalib.backbones.encoder_files import save_point_language_model
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.models.plane import Plane
from tests.support.small_plane import small_backbone
from tests.support.watch import same
from tests.unit.models.plane.conftest import Fit, PlaneMaker


@pytest.fixture
def trained(make_plane: PlaneMaker, fit: Fit) -> Plane:
    return fit(make_plane(max_steps=1))


@pytest.fixture
def checkpoint(trained: Plane, tmp_path: Path) -> Path:
    trained.trainer.save_checkpoint(tmp_path / "plane.ckpt")
    return tmp_path / "plane.ckpt"


def load(model: Plane, file: Path) -> None:
    model.on_load_checkpoint(torch.load(file, weights_only=True))


@pytest.mark.parametrize(
    ("changes", "repeat"),
    [
        ({"layers": [0, 3]}, "--model.layers=[1,3]"),
        ({"num_points": 128}, "--model.num_points=64"),
        ({"num_groups": None}, "--model.num_groups=12"),
        ({"local_scales": [32]}, "--model.local_scales=[16]"),
        ({"local_geometry": False}, "--model.local_geometry=true"),
        ({"place_resolutions": [8]}, "--model.place_resolutions=[4]"),
        ({"resolution": "groups"}, "--model.resolution=points"),
        ({"temperature": 1.0}, "--model.temperature=0.07"),
        ({"pose": "none"}, "--model.pose=principal"),
        ({"pose": "common"}, "--model.pose=principal"),
        ({"dynamic_prompts": False, "token_norm": False},
         "--model.dynamic_prompts=true --model.token_norm=true"),
    ],
)  # fmt: skip
def test_arguments_to_repeat_are_named(
    changes: dict[str, Any], repeat: str, make_plane: PlaneMaker, checkpoint: Path
) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(make_plane(**changes), checkpoint)
    assert str(error.value).endswith(f"repeat {repeat}.")


def test_backbone_of_another_shape_is_named(make_plane: PlaneMaker, checkpoint: Path) -> None:
    other = make_plane()
    other.model.backbone.point_projection = torch.nn.Parameter(torch.zeros(48, 7))
    with pytest.raises(ConfigurationError, match=r"repeat --model.backbone=.*small.safetensors"):
        load(other, checkpoint)


def test_same_weights_under_another_name_are_the_same_backbone(
    make_plane: PlaneMaker, checkpoint: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.safetensors"
    save_point_language_model(small_backbone(), moved)
    load(make_plane(backbone=str(moved)), checkpoint)


def test_pose_left_to_the_data_takes_that_of_the_checkpoint(
    make_plane: PlaneMaker, checkpoint: Path
) -> None:
    model = make_plane(pose="auto")
    load(model, checkpoint)
    assert model.model.pose == "principal"


def test_other_scoring_is_allowed_with_a_warning(
    make_plane: PlaneMaker, checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    load(make_plane(seed=3, learning_rate=1.0), checkpoint)
    assert "thresholds" not in caplog.text
    load(make_plane(object_score="max", num_views=3), checkpoint)
    assert "thresholds were found with num_views=1, object_score=top" in caplog.text


def test_every_run_on_a_checkpoint_is_checked(
    make_plane: PlaneMaker, checkpoint: Path, small_tree: Path
) -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    with pytest.raises(ConfigurationError, match=r"repeat --model.layers=\[1,3\]\."):
        trainer.test(
            make_plane(layers=[3]),
            datamodule=AnomalyShapeNet(small_tree),
            ckpt_path=checkpoint,
            weights_only=True,
        )


def test_loading_with_the_checkpoint_s_own_arguments_restores_the_model(
    trained: Plane, checkpoint: Path
) -> None:
    assert same(trained, Plane.load_from_checkpoint(checkpoint, weights_only=True))


def test_training_goes_on_with_the_same_data_only(
    make_plane: PlaneMaker, fit: Fit, checkpoint: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"bowl0, cup1 \(pose principal\) and cannot go"):
        fit(make_plane(max_steps=1), ckpt_path=checkpoint, data={"category": "cup1"})


def test_one_cycle_goes_on_at_the_length_it_began_with(
    make_plane: PlaneMaker, fit: Fit, checkpoint: Path
) -> None:
    with pytest.raises(ConfigurationError, match=r"repeat --model.max_steps=1"):
        fit(make_plane(max_steps=5), ckpt_path=checkpoint)
