"""What `import plane_anomalib` offers: all of it is there, said to be there, and shown at work."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import plane_anomalib
from plane_anomalib import DATASETS, MODELS, TrainOptions
from tests.support.documents import ROOT

SHOWN = [
    "Detector", "Inspection", "PredictOptions", "Prediction", "Region", "Threshold",
    "TrainOptions", "ViewOptions", "ViewPages", "load", "predict", "train", "view",
]  # fmt: skip


def plate(seed: int, *, bent: bool = False) -> np.ndarray:
    flat = np.random.default_rng(seed).uniform(-9, 9, (300, 2))
    height = np.cos(flat / 4).sum(1) + 4.0 * (bent & (flat > 5).all(1))
    return np.column_stack([flat, height]).astype(np.float32)


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the examples speak of."""
    folder = tmp_path_factory.mktemp("examples")
    options = TrainOptions(model="BTF", settings={"descriptor": "raw"}, anyway=True)
    plates = [plate(seed) for seed in range(3)]
    detector = plane_anomalib.train(plates, folder / "run", options)
    cloud = plate(9, bent=True)
    list(plane_anomalib.predict(detector, cloud, folder / "results"))
    return {
        "np": np, "plane_anomalib": plane_anomalib, "detector": detector, "cloud": cloud,
        "run": folder / "run", "results": folder / "results", "torch": torch,
    }  # fmt: skip


def test_all_and_dir_agree_and_everything_is_there() -> None:
    assert dir(plane_anomalib) == sorted({*plane_anomalib.__all__, *MODELS.names, *DATASETS.names})
    for name in dir(plane_anomalib):
        assert getattr(plane_anomalib, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        plane_anomalib.nothing  # noqa: B018


def test_the_page_of_the_api_names_all_of_it() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    missing = [name for name in plane_anomalib.__all__ if f"`{name}" not in page]
    assert not missing


@pytest.mark.parametrize("name", SHOWN)
def test_the_example_of_a_public_name_runs(name: str, names: dict[str, Any]) -> None:
    found = getattr(plane_anomalib, name)
    text = inspect.getdoc(found) or ""
    example = doctest.DocTestParser().get_doctest(text, dict(names), name, None, None)
    assert example.examples, f"{name} shows no example"
    report: list[str] = []
    doctest.DocTestRunner().run(example, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("name", [name for name in plane_anomalib.__all__ if name[0].islower()])
def test_every_function_says_what_it_takes(name: str) -> None:
    function = getattr(plane_anomalib, name)
    text = inspect.getdoc(function) or ""
    for parameter in inspect.signature(function).parameters:
        assert f"{parameter.lstrip('*')}:" in text or name in ("register", "configured")


def test_a_cloud_that_cannot_be_judged_says_why(names: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "torn.ply").write_text("ply")
    np.savetxt(tmp_path / "whole.xyz", names["cloud"])
    torn, whole = plane_anomalib.predict(names["detector"], tmp_path)
    assert torn.inspection is None
    assert "torn.ply" in torn.failure
    assert whole.inspection is not None
    assert whole.inspection.decision == "anomaly"


def test_paths_and_points_are_not_mixed(names: dict[str, Any]) -> None:
    with pytest.raises(plane_anomalib.ConfigurationError, match="not both"):
        next(plane_anomalib.predict(names["detector"], [names["cloud"], "x.ply"]))


def test_importing_it_imports_nothing_that_computes() -> None:
    code = (
        "import sys, plane_anomalib; dir(plane_anomalib); "
        "print([n for n in ('numpy', 'torch', 'anomalib', 'yaml') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
