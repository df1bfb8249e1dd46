"""A tiny run: three plain shapes, a narrow model."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from plane_anomalib.core.typed_data import from_plain
from plane_anomalib.pretraining.config import PretrainConfig
from plane_anomalib.pretraining.pool import ShapePool

SETTINGS = {
    "pool": {"shapes": 12, "points": 512, "workers": 1},
    "model": {
        "points": {"width": 24, "depth": 4, "num_heads": 2, "mlp_ratio": 2, "stem": 8,
                   "encoder_width": 24, "group_size": 16},
        "text": {"width": 24, "depth": 2, "num_heads": 2, "joint_dim": 24},
        "layers": [1, 3],
        "decoder_depth": 1,
    },
    "train": {"steps": 6, "batch": 6, "groups": [16, 32], "points": [128, 256],
              "points_weights": [1, 1], "max_groups": 192, "warmup": 2, "log_every": 2,
              "seed": 3},
    "evaluation": {"seen": 1, "held_out": 1, "points": 128, "groups": 16},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads cost more than they bring for tensors this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def config() -> PretrainConfig:
    """Settings of a run that takes a second."""
    return from_plain(PretrainConfig, SETTINGS)


@pytest.fixture(scope="session")
def pool() -> ShapePool:
    """Balls, boxes and discs, four specimens of each."""
    generator = np.random.default_rng(0)
    points, normals, names = [], [], []
    for index in range(12):
        name = ("ball", "box", "disc")[index % 3]
        normal = generator.normal(size=(512, 3))
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        cloud = normal.copy()
        if name == "box":
            axis = np.abs(normal).argmax(1)
            cloud = normal / np.abs(normal).max(1, keepdims=True)
            normal = np.eye(3)[axis] * np.sign(np.take_along_axis(cloud, axis[:, None], 1))
        elif name == "disc":
            cloud[:, 2] *= 0.2
            normal[:, 2] /= 0.2
            normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        points.append(cloud / np.linalg.norm(cloud, axis=1).max())
        normals.append(normal)
        names.append(name)
    return ShapePool(
        torch.from_numpy(np.stack(points)).half(),
        torch.from_numpy(np.stack(normals)).half(),
        names,
        [f"a {name} number {i // 3}" for i, name in enumerate(names)],
        names,
    )
