"""`plane-anomalib data make` as typed, and a model trained on what it made."""

from __future__ import annotations

from pathlib import Path

import pytest

from plane_anomalib.cli import commands
from plane_anomalib.core.results import read_metrics_json
from tests.cli.conftest import Typed
from tests.support.meshes import angle_bracket, ball, save

pytestmark = pytest.mark.slow


def test_a_model_trains_and_is_measured_on_a_benchmark_made_from_meshes(
    typed: Typed, tmp_path: Path
) -> None:
    save(angle_bracket(), tmp_path / "cad/bracket.stl")

    made = typed(
        "plane-anomalib", "data", "make", "--meshes", "cad", "--layout", "anomaly-shapenet",
        "--out", "made", "--points", "1000", "--template-points", "1000", "--good", "2",
        "--per-defect", "1", "--resolution", "80", "--seed", "3",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "bracket: 4 templates, 2 good and 7 defective tests from bracket.stl" in made.stdout
    assert "--data AnomalyShapeNet --data.root made" in made.stdout

    trained = typed(
        "anomalib", "train", "--model", "BTF", "--data", "AnomalyShapeNet", "--data.root", "made",
        "--model.visualizer", "false",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    run = tmp_path / "results/BTF/AnomalyShapeNet/all/v0"
    metrics = read_metrics_json(run).metrics.per_category
    assert set(metrics) == {"bracket"}
    # Dents of several per cent on a clean part: a bank of local shapes sees more than chance.
    assert metrics["bracket"]["point_AUROC"] > 0.6


def run_make(folder: Path, *more: str) -> int:
    base = ["data", "make", "--meshes", str(folder), "--out", str(folder.parent / "made")]
    return commands.run([*base, "--resolution", "64", *more])


def test_an_open_mesh_is_refused_in_one_sentence_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = ball()
    mesh.update_faces(mesh.triangles_center[:, 2] < 0.4)
    save(mesh, tmp_path / "cad/bowl.stl")

    with pytest.raises(SystemExit) as stopped:
        run_make(tmp_path / "cad", "--layout", "real3d-ad")

    assert stopped.value.code == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "bowl.stl: is not a closed mesh" in said


def test_a_wrong_layout_and_a_missing_folder_are_one_sentence_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for layout, sentence in (
        ("anomaly_shapenet", "Did you mean anomaly-shapenet?"),
        ("real3d-ad", "the folder of meshes"),
    ):
        with pytest.raises(SystemExit):
            run_make(tmp_path / "nowhere", "--layout", layout)
        assert sentence in capsys.readouterr().err


def test_help_says_what_is_made_and_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        commands.run(["data", "make", "--help"])

    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for word in ("closed", "--layout", "real3d-ad", "manifest.json", "millimetres"):
        assert word in text
