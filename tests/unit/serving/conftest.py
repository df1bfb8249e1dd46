"""A detector whose scores are heights, and that can be held up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from plane_anomalib.formats.writer import write_points
from plane_anomalib.inspection.detector import Detector
from plane_anomalib.metrics.thresholds import ScoreThreshold
from plane_anomalib.models.components.checkpoints import OpenedMethod
from plane_anomalib.models.components.method import Method, NormalClouds
from plane_anomalib.models.components.scores import CloudScores
from plane_anomalib.serving.app import create_app
from plane_anomalib.serving.work_queue import ServerLimits


class Heights(Method):
    """Scores of points are their z, that of the object the highest; `gate` lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "Heights"
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0
        self.fault: Exception | None = None

    def fit(self, clouds: NormalClouds) -> None:
        raise NotImplementedError

    def forward(self, cloud: np.ndarray, category: str = "") -> CloudScores:
        self.asked += 1
        assert self.gate.wait(20)
        if self.fault is not None:
            raise self.fault
        return CloudScores(cloud[:, 2], float(cloud[:, 2].max()))


@pytest.fixture
def model() -> Iterator[Heights]:
    heights = Heights()
    yield heights
    heights.gate.set()


@pytest.fixture
def detector(model: Heights, tmp_path: Path) -> Detector:
    opened = OpenedMethod(model, ScoreThreshold(0.9), ScoreThreshold(0.8))
    return Detector(opened, tmp_path / "run")


@pytest.fixture
def client(
    detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    limits = ServerLimits(megabytes=1, points=5000, timeout=20, waiting=2)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    with TestClient(create_app(detector, limits), raise_server_exceptions=False) as client:
        yield client
        assert left(tmp_path) == [], "an upload was left behind"


def left(tmp_path: Path) -> list[Path]:
    """Files in the servers' temporary folder."""
    return [file for file in (tmp_path / "temporary").rglob("*") if file.is_file()]


@pytest.fixture
def ball() -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(600, 3))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def scan(ball: np.ndarray, tmp_path: Path) -> Path:
    write_points(tmp_path / "scan.ply", ball)
    return tmp_path / "scan.ply"
