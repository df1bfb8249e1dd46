"""The weights that come with the package."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.backbones.encoders import create_backbone
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.backbones.weights.store import builtin_path
from plane_anomalib.generation.defects.corruption import random_rotation
from plane_anomalib.generation.shapes.catalogue import draw_specimen

NAMES = ("vase", "spur gear", "chair", "airplane", "bowl", "spring", "ladder", "starfish", "mug",
         "bolt", "car", "umbrella")  # fmt: skip


@pytest.fixture(scope="module")
def model() -> PointLanguageModel:
    return create_backbone("builtin")


def test_they_are_small_and_say_how_they_were_made() -> None:
    path = builtin_path()
    assert path.stat().st_size <= 16 * 2**20
    with safe_open(str(path), framework="pt") as file:
        said = file.metadata()
    assert {"recipe", "seed", "steps", "hours", "hardware", "commit", "date", "held_out"} <= {*said}
    assert said["licence"] == "Apache-2.0"
    assert json.loads(said["recipe"])["pool"]["folder"] is None


def test_they_are_used_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model = create_backbone("builtin", seed=3)
    assert model.weights.startswith("pretrained")
    assert not caplog.records
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.slow
def test_they_name_new_specimens_in_any_pose(model: PointLanguageModel) -> None:
    generator = np.random.default_rng(np.random.SeedSequence(20))
    clouds = []
    for name in NAMES:
        for _ in range(2):
            points = (
                draw_specimen(name, generator, 2048).points @ random_rotation("so3", generator).T
            )
            clouds.append(points / np.linalg.norm(points, axis=1).max())
    with torch.no_grad():
        seen = model.encode_points(torch.from_numpy(np.stack(clouds)), layers=())
        clouds_found = F.normalize(model.embed_points(seen.pooled), dim=-1)
        words = F.normalize(model.encode_sentences([f"a {name}" for name in NAMES]), dim=-1)
    right = torch.arange(len(NAMES)).repeat_interleave(2)
    share = ((clouds_found @ words.T).argmax(1) == right).float().mean()
    assert share >= 0.75  # by chance 0.08
