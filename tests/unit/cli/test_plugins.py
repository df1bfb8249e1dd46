"""Our commands, and how they are found from anomalib's command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from plane_anomalib.cli import commands, plugins
from plane_anomalib.cli.anomalib_cli import PointCloudCLI
from plane_anomalib.cli.plugins import listing
from plane_anomalib.core.registry import MODELS, Registry, RegistryEntry
from tests.support.template import ModelName

MIXED = {
    "Plane": "plane_anomalib.models.plane.lightning_model:Plane",
    "Gone": "no_such_package.module:Gone",
    "Fraction": "fractions:Fraction",
}


@pytest.fixture
def registry() -> Registry:
    return Registry("model", "plane_anomalib_test.none", MIXED)


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch) -> type:
    """The template's model, registered as another package's would be."""
    entry = RegistryEntry("ModelName", "model_name.lightning_model:ModelName", "model-name")
    monkeypatch.setitem(MODELS.entries, "ModelName", entry)
    return ModelName


@pytest.mark.parametrize("load", [False, True])
def test_a_broken_model_is_named_among_the_others(registry: Registry, load: bool) -> None:
    head, plane, gone, fraction = listing(registry, load=load).splitlines()
    assert head.split() == ["NAME", "FROM", "SUMMARY"]
    assert plane.split(maxsplit=2)[:2] == ["Plane", "plane-anomalib"]
    assert plane.endswith("PLANE: one model for all categories, taught by synthetic defects.")
    assert "BROKEN: no_such_package.module:Gone cannot be loaded: " in gone
    assert fraction.endswith("This class implements rational numbers.")


def test_names_choose_rows_and_wrong_ones_are_answered(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS.entries, "Gone", RegistryEntry("Gone", "gone:Gone", "gone-pack"))
    assert commands.run(["models", "plane"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["NAME", "Plane"]
    assert commands.run(["datasets"]) == 0
    assert "ProceduralShapes  plane-anomalib  Nineteen machine parts" in capsys.readouterr().out
    for typed, sentence in (
        (["models", "Plan"], "No model is called 'Plan': did you mean Plane?"),
        (["datasets", "Real3D"], "No dataset is called 'Real3D': did you mean Real3DAD?"),
        (["check", "Plan"], "No model is called 'Plan': did you mean Plane?"),
        (["check", "Zzz"], "known once it is installed: pip install -e FOLDER."),
        (["check", "Gone"], "Gone of gone-pack cannot be loaded from gone:Gone (ModuleNotFoundE"),
        (["check", "Plane", "--only", "permutatoin"], "did you mean permutation?"),
        (["new-model", "Plane"], "has a model called Plane already"),
    ):
        with pytest.raises(SystemExit) as stopped:
            commands.run(typed)
        assert stopped.value.code == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert sentence in error


def test_new_model_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["new-model", "scratch_finder", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"pip install -e {tmp_path / 'scratch_finder'}\n" in printed
    assert "plane-anomalib check ScratchFinder\n" in printed
    assert (tmp_path / "scratch_finder" / "scratch_finder" / "torch_model.py").is_file()


def test_check_prints_a_line_per_check_and_fails_if_one_does(
    template: type, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["check", "model_name", "--only", "arguments", "untrained", "--seed", "3"]
    assert commands.run(typed) == 0
    printed = capsys.readouterr().out
    assert "Checking ModelName of model-name (model_name.lightning_model:ModelName)" in printed
    assert "ok       arguments          Every constructor argument has a type" in printed
    assert "2 of 2 checks passed" in printed

    monkeypatch.setattr(template, "__doc__", "No arguments named.")
    assert commands.run(typed) == 1
    printed = capsys.readouterr().out
    assert "FAILED   arguments          No line in the docstring's Args for num_points" in printed
    assert "1 of 2 checks passed" in printed
    assert "Again: plane-anomalib check ModelName --only arguments --seed 3" in printed
    assert "Traceback" not in printed
    monkeypatch.setenv("PLANE_ANOMALIB_DEBUG", "1")
    assert commands.run(typed) == 1
    assert "Traceback" in capsys.readouterr().out


def test_a_model_that_is_no_point_cloud_model_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(
        MODELS.entries, "Fraction", RegistryEntry("Fraction", "fractions:Fraction", "x")
    )
    with pytest.raises(SystemExit):
        commands.run(["check", "Fraction"])
    assert "error: Fraction is no point-cloud model: write `class" in capsys.readouterr().err


def test_checks_are_listed_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["check", "--list"]) == 0
    assert capsys.readouterr().out == plugins.list_checks()
    with pytest.raises(SystemExit) as stopped:
        commands.run(["check"])
    assert stopped.value.code == 2


def test_anomalibs_command_line_has_them_and_lists_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit) as stopped:
        PointCloudCLI(["models", "Plane"])
    assert stopped.value.code == 0
    assert "PLANE: one model for all categories" in capsys.readouterr().out
    monkeypatch.setitem(os.environ, "COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["anomalib", "--help"])
    with pytest.raises(SystemExit):
        PointCloudCLI(["--help"], run=False)
    printed = capsys.readouterr().out
    assert all(name in printed for name in commands.COMMANDS)
