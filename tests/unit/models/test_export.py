"""`export` of every model: a torch file with the checkpoint's scores, a sentence for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anomalib.engine import Engine

import plane_anomalib
from plane_anomalib.cli.anomalib_cli import PointCloudCLI
from plane_anomalib.core.registry import BUILT_IN, MODELS
from plane_anomalib.data.folder import PointCloudFolder
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.formats.writer import write_points
from plane_anomalib.inspection.card import DetectorError
from tests.support.trees import surface

pytestmark = pytest.mark.slow

TRIED = ["BTF", "M3DM", "PatchCore3D", "Plane", "Reg3DAD", "TemplateResidual"]


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "bracket"
    for number in range(3):
        cloud = surface(np.random.default_rng(number), 300)
        write_points(root / "train" / f"{number}.ply", cloud)
    return root


def trained(name: str, part: Path, out: Path) -> tuple[Path, dict[str, Any]]:
    arguments = {**MODELS.get(name).contract_arguments, "visualizer": False}
    engine = Engine(
        accelerator="cpu", devices=1, logger=False, default_root_dir=out, enable_progress_bar=False
    )
    engine.fit(MODELS.get(name)(**arguments), datamodule=PointCloudFolder(part, val_variants=1))
    return Path(engine.best_model_path), arguments


def typed(name: str, checkpoint: Path, arguments: dict[str, Any], kind: str, out: Path) -> None:
    """`anomalib export` in this process."""
    line = ["export", "--model", name, "--ckpt_path", str(checkpoint), "--export_type", kind]
    for key, value in arguments.items():
        line += [f"--model.{key}", str(value).lower()]
    PointCloudCLI([*line, "--export_root", str(out)])


def test_every_model_of_this_package_is_tried() -> None:
    ours = [name for name, entry in MODELS.entries.items() if entry.origin == BUILT_IN]
    assert sorted(ours) == TRIED


@pytest.mark.parametrize("name", TRIED)
def test_an_exported_model_scores_like_its_checkpoint(
    name: str, part: Path, tmp_path: Path
) -> None:
    checkpoint, arguments = trained(name, part, tmp_path / "run")
    typed(name, checkpoint, arguments, "torch", tmp_path / "out")
    file = tmp_path / "out/weights/torch/model.pt"

    # What we wrote ourselves a moment ago.
    exported = torch.load(file, weights_only=False)["model"].eval()
    cloud = surface(np.random.default_rng(9), 200)
    cloud[:20, 2] += 0.4
    batch = PointCloudBatch.collate(
        [PointCloudItem(points=torch.from_numpy(cloud), category="bracket")]
    )
    with torch.no_grad():
        scores = exported(batch)
    expected = plane_anomalib.load(checkpoint)(cloud)
    assert np.ptp(expected.point_scores) > 0
    np.testing.assert_allclose(scores.anomaly_map.numpy(), expected.point_scores, rtol=1e-6)
    assert float(scores.pred_score) == pytest.approx(expected.score, rel=1e-6)
    assert expected.threshold is not None
    assert bool(scores.pred_label) == (expected.decision == "anomaly")

    with pytest.raises(DetectorError, match="can run anything when it is opened"):
        plane_anomalib.load(file)


@pytest.mark.parametrize(("kind", "shown"), [("onnx", "ONNX"), ("openvino", "OpenVINO")])
def test_other_formats_are_refused_in_one_sentence_and_leave_nothing(
    kind: str, shown: str, part: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint, arguments = trained("BTF", part, tmp_path / "run")
    with pytest.raises(SystemExit, match=r"^1$"):
        typed("BTF", checkpoint, arguments, kind, tmp_path / "out")
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: BTF cannot be exported to {shown}, which has no form for neighbour search on "
        "clouds of any size: use --export_type torch or the checkpoint."
    )
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
