"""The import hook: fires once, leaves no trace, costs nothing and breaks nothing."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import plane_anomalib_autoload

BROKEN = {
    "raises": "raise RuntimeError('boom')\n",
    "syntax": "def broken(:\n",
    "exits": "raise SystemExit('boom')\n",
    "lacks a dependency": "import no_such_dependency\n",
    "missing": None,
}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"hooked_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text("VALUE = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    return name


def fake_anomalib(folder: Path) -> None:
    """A stand-in with the one module the hook waits for, quick to import."""
    engine = folder / "anomalib" / "engine"
    engine.mkdir(parents=True)
    (folder / "anomalib" / "__init__.py").touch()
    (engine / "__init__.py").write_text("from .engine import Engine\n")
    (engine / "engine.py").write_text("class Engine: ...\n")


def run_python(code: str, *path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))} | variables
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_the_callback_runs_once_after_the_module_and_no_trace_is_left(module: str) -> None:
    seen: list[int] = []
    finders = list(sys.meta_path)
    plane_anomalib_autoload.after_import(module, lambda: seen.append(sys.modules[module].VALUE))
    # Asking for the spec, as many packages do, is not importing.
    assert importlib.util.find_spec(module) is not None
    assert seen == []
    imported = importlib.import_module(module)
    assert seen == [7]
    assert sys.meta_path == finders
    assert type(imported.__loader__).__name__ == "SourceFileLoader"
    assert imported.__spec__ is not None
    assert imported.__spec__.loader is imported.__loader__
    importlib.reload(imported)
    assert seen == [7]


def test_a_failing_callback_is_one_sentence_on_stderr(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError("boom")

    plane_anomalib_autoload.after_import(module, fail)
    assert importlib.import_module(module).VALUE == 7
    assert capsys.readouterr().err.count("\n") == 1


def test_a_module_that_fails_to_import_fails_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fails_for_a_test.py").write_text("raise KeyError('its own')\n")
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[int] = []
    plane_anomalib_autoload.after_import("fails_for_a_test", lambda: seen.append(1))
    with pytest.raises(KeyError, match="its own"):
        importlib.import_module("fails_for_a_test")
    assert seen == []


def test_installing_twice_leaves_one_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.delenv("PLANE_ANOMALIB_AUTOLOAD", raising=False)
    plane_anomalib_autoload.install()
    once = len(sys.meta_path)
    plane_anomalib_autoload.install()
    assert len(sys.meta_path) == once


def test_the_variable_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", before := list(sys.meta_path))
    monkeypatch.setenv("PLANE_ANOMALIB_AUTOLOAD", "0")
    plane_anomalib_autoload.install()
    assert sys.meta_path == before


def test_installing_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", None)
    plane_anomalib_autoload.install()


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_package_breaks_neither_torch_nor_anomalib(kind: str, tmp_path: Path) -> None:
    fake_anomalib(tmp_path)
    source = BROKEN[kind]
    hide = "sys.modules['plane_anomalib'] = None; " if source is None else ""
    if source is not None:
        (tmp_path / "plane_anomalib").mkdir()
        (tmp_path / "plane_anomalib" / "__init__.py").write_text(source)
    # torch imports the entry point and calls it, nothing more: tests/cli does so with real torch.
    as_torch = "from importlib.metadata import entry_points as e; import sys; "
    as_torch += "[p.load()() for p in e(group='torch.backends', name='plane_anomalib')]; "
    done = run_python(
        as_torch + hide + "from anomalib.engine import Engine; print(Engine.__name__)", tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Engine\n"
    assert "plane-anomalib could not be loaded" in done.stderr
    assert done.stderr.count("\n") == 1
    silent = run_python(
        as_torch + hide + "from anomalib.engine import Engine",
        tmp_path,
        PLANE_ANOMALIB_AUTOLOAD="0",
    )
    assert (silent.returncode, silent.stderr) == (0, "")


def test_programs_without_anomalib_import_nothing_of_ours() -> None:
    done = run_python(
        "import sys; before = set(sys.modules); import plane_anomalib_autoload as a; a.install();"
        "new = set(sys.modules) - before; print(sorted(m for m in new if 'plane' in m));"
        "import plane_anomalib; print('torch' in sys.modules, 'anomalib' in sys.modules)"
    )
    assert done.stdout == "['plane_anomalib_autoload']\nFalse False\n", done.stderr
