"""What is typed wrongly is answered in one sentence; stock models are left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anomalib.engine import Engine

from plane_anomalib.cli.anomalib_cli import PointCloudCLI
from tests.cli.conftest import Typed

PLANE = ["--model", "Plane"]

WRONG = {
    "model misspelt": (
        ["train", "--model", "Plan"],
        "No model is called 'Plan': did you mean Plane?",
    ),
    "model in lower case": (["train", "--model", "plane"], "did you mean Plane?"),
    "dataset misspelt": (
        ["train", *PLANE, "--data", "Real3D"],
        "No dataset is called 'Real3D': did you mean Real3DAD?",
    ),
    "dataset unknown": (["test", *PLANE, "--data", "Zzz"], "No dataset is called 'Zzz': there are"),
    "dataset misspelt for predict": (
        ["predict", *PLANE, "--data", "ProceduralShape"],
        "did you mean ProceduralShapes?",
    ),
    "path that does not exist": (
        ["predict", *PLANE, "--data", "no/such/folder"],
        "--data no/such/folder: there is no such file or folder.",
    ),
    "argument misspelt": (
        ["train", *PLANE, "--model.num_point", "5"],
        "--model.num_point: Plane has no such argument: did you mean num_points?",
    ),
    "argument of the wrong type": (
        ["train", *PLANE, "--model.num_points", "many"],
        "--model.num_points: int expected, not 'many'.",
    ),
    "choice that does not exist": (["train", *PLANE, "--model.rotation", "y"], "--model Plane: "),
    "data argument misspelt": (
        ["predict", *PLANE, "--data", "PointCloudFolder", "--data.rot", "x"],
        "--data.rot: PointCloudFolder has no such argument: did you mean root?",
    ),
    "argument refused by the model": (
        ["train", *PLANE, "--model.backbone", "none-such"],
        'There is no backbone "none-such"',
    ),
    "argument refused by the data": (
        ["predict", *PLANE, "--data", "ProceduralShapes", "--data.num_workers", "-1"],
        "num_workers",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_answered_in_one_sentence(
    case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, sentence = WRONG[case]
    with pytest.raises(SystemExit) as stopped:
        PointCloudCLI(arguments, run=False)
    last = capsys.readouterr().err.splitlines()[-1]
    assert stopped.value.code == 1
    assert last.startswith("error: ")
    assert sentence in last


def test_a_mistake_in_a_config_file_is_answered_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.yaml").write_text("model:\n  class_path: Plan\n")
    with pytest.raises(SystemExit):
        PointCloudCLI(["train", "--config", str(tmp_path / "wrong.yaml")], run=False)
    assert "No model is called 'Plan': did you mean Plane?" in capsys.readouterr().err


def test_a_stock_models_mistake_is_left_to_anomalib(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        PointCloudCLI(["train", "--model", "Padm", "--data", "MVTecAD"], run=False)
    assert stopped.value.code == 2
    assert "Expected a dot import path string: Padm" in capsys.readouterr().err


def test_without_data_a_point_cloud_model_gets_the_built_in_shapes_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli = PointCloudCLI(["train", *PLANE], run=False)
    assert type(cli.datamodule).__name__ == "ProceduralShapes"
    assert capsys.readouterr().err.startswith("No --data given: using ProceduralShapes")


def test_without_data_a_stock_model_gets_none(capsys: pytest.CaptureFixture[str]) -> None:
    cli = PointCloudCLI(["train", "--model", "Padim", "--model.pre_trained", "false"], run=False)
    assert cli.datamodule is None
    assert "No --data given" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "seeds"),
    [
        ([], (0, 0)),
        (["--seed_everything", "7"], (7, 7)),
        (["--seed_everything", "7", "--model.seed", "3"], (3, 7)),
        (["--seed_everything", "true"], (0, 0)),
    ],
)
def test_seed_everything_is_handed_on_where_no_seed_was_given(
    arguments: list[str], seeds: tuple[int, int]
) -> None:
    cli = PointCloudCLI(["train", *PLANE, "--data", "ProceduralShapes", *arguments], run=False)
    config = cli.config["train"]
    assert (config.model.init_args.seed, config.data.init_args.seed) == seeds


@pytest.fixture
def folders_only(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Let test and train find their run directory, and do nothing in it."""
    found: list[Path] = []

    def stand_in(versioned_dir: bool) -> Callable[..., None]:
        def run(self: Engine, model: Any, datamodule: Any, **_: Any) -> None:
            self._setup_workspace(model, datamodule=datamodule, versioned_dir=versioned_dir)
            found.append(Path(self._cache.args["default_root_dir"]))
            found[-1].mkdir(parents=True, exist_ok=True)

        return run

    monkeypatch.setattr(Engine, "test", stand_in(versioned_dir=False))
    monkeypatch.setattr(Engine, "train", stand_in(versioned_dir=True))
    return found


@pytest.mark.slow
def test_a_test_before_any_training_leaves_room_for_training(
    folders_only: list[Path], scans: Path, tmp_path: Path
) -> None:
    data = ["--data", "PointCloudFolder", "--data.root", str(scans)]
    for subcommand in ("test", "test", "train", "test"):
        PointCloudCLI([subcommand, *PLANE, *data, "--default_root_dir", str(tmp_path / "runs")])
    runs = tmp_path / "runs/Plane/scans/all"
    assert folders_only == [runs / name for name in ("v0", "v0", "v1", "v1")]


@pytest.mark.slow
def test_a_folder_in_place_of_the_link_to_the_newest_run_is_named(
    folders_only: list[Path], scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    latest = tmp_path / "runs/Plane/scans/all/latest"
    latest.mkdir(parents=True)
    data = ["--data", "PointCloudFolder", "--data.root", str(scans)]
    arguments = [*PLANE, *data, "--default_root_dir", str(tmp_path / "runs")]
    PointCloudCLI(["test", *arguments])
    with pytest.raises(SystemExit):
        PointCloudCLI(["train", *arguments])
    assert folders_only == [latest]
    assert f"error: {latest} is a folder, where anomalib keeps" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("program", ["anomalib", "plane-anomalib"])
def test_an_error_while_running_is_one_sentence_too(
    program: str, typed: Typed, scans: Path
) -> None:
    broken = scans / "test" / "bulge" / "0.xyz"
    broken.write_text("this is no point cloud\n")
    arguments = ("test", *PLANE, "--data", "PointCloudFolder", "--data.root", scans)
    workers = "1" if program == "anomalib" else "0"
    done = typed(program, *arguments, "--data.num_workers", workers)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert str(broken) in last
