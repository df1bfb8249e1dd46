"""What is typed finds its command, and what is mistyped an answer, without anything heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest
from anomalib.cli.cli import AnomalibCLI

from plane_anomalib.cli import commands

HEAVY = ("numpy", "torch", "anomalib", "rich", "yaml", "pandas")


@pytest.mark.parametrize(
    ("typed", "anomalibs"),
    [
        (["train", "--model", "Plane"], True),
        (["predict", "--model", "Plane"], True),
        (["fit"], True),
        (["test", "--help"], True),
        (["train"], False),
        (["train", "scans"], False),
        (["train", "--help"], False),
        (["predict", "-h"], False),
        (["--help"], False),
        (["trian"], False),
        ([], False),
    ],
)
def test_anomalib_gets_what_is_for_anomalib(typed: list[str], anomalibs: bool) -> None:
    assert commands.is_anomalibs(typed) is anomalibs


def test_the_names_of_anomalibs_commands_are_known() -> None:
    known = {"install", *AnomalibCLI.subcommands(), *AnomalibCLI.anomalib_subcommands()}
    assert {*commands.ANOMALIB_COMMANDS} == known | {"benchmark"}


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (["trian"], "plane-anomalib has no command 'trian': did you mean train?"),
        (["exprt"], "did you mean export?"),
        (["xyzzy"], "`plane-anomalib --help` lists what there is."),
    ],
)
def test_a_command_that_does_not_exist_is_answered(
    typed: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commands.run(typed) == 2
    assert answer in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (["predict", "run", "cloud", "--ot", "x"], "did you mean --out, not --ot?"),
        (["train", "scans", "--ovrwrite"], "did you mean --overwrite, not --ovrwrite?"),
        (["sweep", "pln"], "did you mean plan, not pln?"),
        (["sweep", "plan", "smoke", "--out", "x", "--modles", "y"], "did you mean --models, not"),
    ],
)
def test_an_option_that_does_not_exist_is_answered(
    typed: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        commands.run(typed)
    assert stopped.value.code == 2
    assert answer in capsys.readouterr().err


def test_help_shows_our_commands_and_names_anomalibs(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(["--help"]) == 0
    printed = capsys.readouterr().out
    for name, command in {**commands.COMMANDS, **commands.PATH_COMMANDS}.items():
        assert f"  {name} " in printed
        assert command.help in printed
    assert "export, benchmark" in printed
    assert "`anomalib --help`" in printed


@pytest.mark.parametrize("name", ["train", "predict"])
def test_help_of_a_shared_name_is_ours_and_points_at_anomalibs(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        commands.run([name, "--help"])
    assert stopped.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "--out" in printed
    assert f"anomalib {name} --help` says more" in printed


def test_sweep_takes_its_file_as_anomalibs_pipelines_do() -> None:
    for typed in (["sweep", "--config", "smoke"], ["sweep", "-c=smoke"]):
        arguments = commands.parse(typed)
        assert (arguments.command, arguments.action, arguments.file) == ("sweep", "run", "smoke")


@pytest.mark.parametrize("typed", ["--help", "train --help", "predict --help", "models", "trian"])
def test_what_computes_nothing_imports_nothing_that_computes(typed: str) -> None:
    code = (
        "import sys\nfrom plane_anomalib.cli import main\n"
        f"sys.argv = ['plane-anomalib', *{typed.split()!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('found', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "found []", done.stderr
