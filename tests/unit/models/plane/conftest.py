"""A small PLANE in a real trainer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch import Trainer

from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.models.plane import Plane
from tests.support.small_plane import save_small_backbone
from tests.support.trees import shapenet_tree

PlaneMaker = Callable[..., Plane]
Fit = Callable[..., Plane]


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_backbone(tmp_path_factory.mktemp("weights") / "small.safetensors")


@pytest.fixture(scope="session")
def small_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapenet_tree(tmp_path_factory.mktemp("tree"), np.random.default_rng(0), count=150)


@pytest.fixture(scope="session")
def make_plane(small_weights: Path) -> PlaneMaker:
    """Makes a small PLANE; every argument can be changed."""

    def make(**changes: Any) -> Plane:
        small = {
            "backbone": str(small_weights),
            "num_points": 64,
            "extra_points": 8,
            "num_groups": 12,
            "layers": [1, 3],
            "adapter_hidden": 16,
            "dynamic_hidden": 8,
            "local_scales": [16],
            "template_context": False,
            "place_resolutions": [4],
            "place_channels": 2,
            "rotation": "so3",
            "pose": "principal",
            "num_views": 1,
            "max_steps": 3,
            "learning_rate": 1e-2,
            "prompt_learning_rate": 1e-2,
            # Decay would change what learns nothing.
            "weight_decay": 0.0,
            "precision": "32",
            "visualizer": False,
        }
        return Plane(**(small | changes))

    return make


@pytest.fixture
def fit(small_tree: Path, tmp_path: Path) -> Fit:
    """Trains a model as anomalib does, on two categories; keywords go to the trainer."""

    def run(model: Plane, *, data: dict[str, Any] | None = None, **trainer: Any) -> Plane:
        resumed = {"ckpt_path": trainer.pop("ckpt_path", None), "weights_only": True}
        arguments = {"root": small_tree, "val_split_mode": "none", "samples_per_epoch": 8}
        arguments |= data or {}
        Trainer(
            **{
                **model.trainer_arguments,
                "accelerator": "cpu",
                "default_root_dir": tmp_path,
                "logger": False,
                "enable_checkpointing": False,
                "enable_progress_bar": False,
                "enable_model_summary": False,
                **trainer,
            }
        ).fit(model, datamodule=AnomalyShapeNet(**arguments), **resumed)
        return model

    return run
