"""A detector: the scores of the model it was loaded from, whoever calls, however it was saved."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from anomalib.engine import Engine
from numpy.typing import NDArray

import plane_anomalib
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.folder import PointCloudFolder
from plane_anomalib.formats.writer import write_points
from plane_anomalib.inspection.card import DetectorError
from plane_anomalib.inspection.detector import Detector
from plane_anomalib.models.btf import BTF
from plane_anomalib.models.lightning.base import CHECKPOINT_MODEL, PointCloudMixin
from plane_anomalib.models.plane import Plane
from tests.support.small_plane import save_small_backbone
from tests.support.trees import surface

Cloud = NDArray[np.float32]


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "bracket"
    for number in range(4):
        cloud = surface(np.random.default_rng(number), 400)
        write_points(root / "train" / f"{number}.ply", cloud)
    return root


def trained(model: PointCloudMixin, part: Path, out: Path) -> Path:
    engine = Engine(
        accelerator="cpu", devices=1, logger=False, default_root_dir=out, enable_progress_bar=False
    )
    engine.fit(model, datamodule=PointCloudFolder(part, val_variants=2))
    assert engine.best_model_path
    return Path(engine.best_model_path)


@pytest.fixture(scope="module")
def checkpoint(part: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(BTF(descriptor="raw"), part, tmp_path_factory.mktemp("btf"))


@pytest.fixture
def detector(checkpoint: Path) -> Detector:
    return plane_anomalib.load(checkpoint)


@pytest.fixture
def cloud() -> Cloud:
    bent = surface(np.random.default_rng(9), 500)
    bent[:40] += np.float32([0, 0, 0.6])
    return bent


def test_a_checkpoint_gives_the_scores_of_its_model(
    detector: Detector, checkpoint: Path, cloud: Cloud
) -> None:
    model = BTF.load_from_checkpoint(checkpoint, descriptor="raw", weights_only=True)
    points, lengths = torch.from_numpy(cloud), torch.tensor([len(cloud)])
    expected = model.model.score_packed(points, lengths, ["bracket"])
    result = detector(cloud)
    assert detector.model_name == "BTF"
    assert detector.categories == ("bracket",)
    assert np.array_equal(result.point_scores, expected.anomaly_map.numpy())
    assert result.score == float(expected.pred_score)


def test_the_threshold_decides_and_says_where_it_is_from(detector: Detector, cloud: Cloud) -> None:
    result = detector(cloud)
    assert result.threshold is not None
    assert result.point_threshold is not None
    assert "validation" in result.threshold.origin
    assert result.decision == ("anomaly" if result.score >= result.threshold.value else "normal")
    assert replace(result, score=result.threshold.value).decision == "anomaly"
    assert replace(result, threshold=None).decision is None
    above = result.point_scores >= result.point_threshold.value
    assert not (result.region_of_point[~above] >= 0).any()


def test_what_goes_in_as_a_tensor_comes_out_as_one(detector: Detector, cloud: Cloud) -> None:
    from_array = detector(cloud)
    from_tensor = detector(torch.from_numpy(cloud.astype(np.float64)))
    assert isinstance(from_tensor.point_scores, torch.Tensor)
    assert from_tensor.point_scores.dtype == torch.float32
    assert np.array_equal(from_tensor.point_scores.numpy(), from_array.point_scores)


def test_threads_get_what_they_would_get_alone(detector: Detector) -> None:
    clouds = [surface(np.random.default_rng(seed), 200 + seed) for seed in range(12)]
    alone = [detector(cloud) for cloud in clouds]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(detector, clouds))
    for one, other in zip(alone, together, strict=True):
        assert one.score == other.score
        assert np.array_equal(one.point_scores, other.point_scores)


@pytest.mark.slow
def test_plane_is_loaded_with_the_arguments_it_was_trained_with(
    part: Path, tmp_path: Path, cloud: Cloud
) -> None:
    weights = save_small_backbone(tmp_path / "backbone.safetensors")
    model = Plane(
        backbone=str(weights), layers=[1, 3], num_points=64, num_groups=16, max_steps=2, num_views=2
    )
    file = trained(model, part, tmp_path / "runs")
    result = plane_anomalib.load(file)(cloud)
    model.eval()
    with torch.no_grad():
        expected = model.model.score_packed(
            torch.from_numpy(cloud), torch.tensor([len(cloud)]), ["bracket"]
        )
    np.testing.assert_allclose(result.point_scores, expected.anomaly_map.numpy(), atol=1e-6)


def test_an_unknown_category_is_answered_with_the_one_that_was_meant(
    detector: Detector, cloud: Cloud
) -> None:
    with pytest.raises(ConfigurationError, match="did you mean bracket"):
        detector(cloud, category="brackets")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((5, 2)), "shape"),
        (np.full((5, 3), np.nan), "5 of 5 points are not finite"),
        (np.zeros((0, 3)), "0 points"),
    ],
)
def test_what_is_no_cloud_is_refused(detector: Detector, wrong: Cloud, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        detector(wrong)


class _Trap:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (Path("trapped"),)  # type: ignore[return-value]


def _nothing(folder: Path, checkpoint: Path) -> Path:
    del checkpoint
    return folder / "missing"


def _empty_folder(folder: Path, checkpoint: Path) -> Path:
    del checkpoint
    return folder


def _trap(folder: Path, checkpoint: Path) -> Path:
    del checkpoint
    file = folder / "model.ckpt"
    file.write_bytes(pickle.dumps({"state_dict": {}, "hyper_parameters": _Trap()}))
    return file


def _exported(folder: Path, checkpoint: Path) -> Path:
    file = folder / "model.pt"
    file.write_bytes(checkpoint.read_bytes())
    return file


def _truncated(folder: Path, checkpoint: Path) -> Path:
    file = folder / "model.ckpt"
    file.write_bytes(checkpoint.read_bytes()[:-200])
    return file


def _other_content(folder: Path, checkpoint: Path) -> Path:
    del checkpoint
    file = folder / "model.ckpt"
    torch.save({"weights": torch.zeros(3)}, file)
    return file


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_nothing, "there is no such"),
        (_empty_folder, "holds neither"),
        (_trap, "no readable checkpoint"),
        (_exported, "run anything"),
        (_truncated, "no readable checkpoint"),
        (_other_content, "is no checkpoint"),
    ],
)
def test_what_is_no_detector_is_refused_and_runs_nothing(
    make: Callable[[Path, Path], Path],
    message: str,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DetectorError, match=message):
        plane_anomalib.load(make(tmp_path, checkpoint))
    assert not Path("trapped").exists()


def test_a_checkpoint_names_registered_models_only(checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(checkpoint, weights_only=True)
    for name, message in (("os.system", "No model is called"), (None, "give model=")):
        content[CHECKPOINT_MODEL] = name
        torch.save(content, tmp_path / "other.ckpt")
        with pytest.raises(ConfigurationError, match=message):
            plane_anomalib.load(tmp_path / "other.ckpt")
    assert plane_anomalib.load(tmp_path / "other.ckpt", model="BTF").model_name == "BTF"
