"""Every file under configs/models goes through the command line's own parser."""

from __future__ import annotations

from pathlib import Path
from pydoc import locate
from typing import Any

import pytest
import yaml

from plane_anomalib.cli.anomalib_cli import PointCloudCLI
from plane_anomalib.core.registry import BUILT_IN, MODELS

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[3] / "configs" / "models"
FILES = sorted(FOLDER.rglob("*.yaml"))
ABLATIONS = sorted((FOLDER / "ablations").glob("*.yaml"))


def shown(path: Path) -> str:
    return str(path.relative_to(FOLDER).with_suffix(""))


class ParseOnly(PointCloudCLI):
    """Stops before anything is made or run."""

    def instantiate_classes(self) -> None:
        """Leave it parsed."""


@pytest.fixture(scope="module")
def sections() -> dict[Path, Any]:
    """The section `model` of every file, as the command `train` gets it."""
    cli = ParseOnly(["train", "--model", str(FOLDER / "plane.yaml")], run=False)
    return {
        path: cli.parser.parse_args(["train", "--model", str(path)])["train"]["model"]
        for path in FILES
    }


def written(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()).get("init_args", {}))


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_file_gives_a_registered_model_its_values(path: Path, sections: dict[Path, Any]) -> None:
    section = sections[path]
    cls = locate(section.class_path)
    assert cls in [MODELS.get(name) for name in MODELS.names]
    model = cls(**section.init_args.as_dict())
    for name, value in written(path).items():
        assert model.hparams[name] == value


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_first_lines_say_what_it_is(path: Path) -> None:
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("path", ABLATIONS, ids=shown)
def test_ablation_changes_something_and_little(path: Path, sections: dict[Path, Any]) -> None:
    files = (FOLDER / "plane_template_free.yaml", path)
    ours, ablated = (sections[file].init_args.as_dict() for file in files)
    different = {name for name in ours if ours[name] != ablated[name]}
    assert different == set(written(path)) - {"template_context"}


def test_tables_4_to_7_and_figure_7_have_their_rows() -> None:
    rows = {path.stem.split("_")[0] for path in ABLATIONS}
    assert rows == {"table4", "table5", "table6", "table7", "fig7"}


def test_paper_configuration_says_what_the_paper_says() -> None:
    values = written(FOLDER / "plane_paper.yaml")
    paper = {
        "num_points": 2048,
        "layers": [2, 5, 8, 11],
        "text_prompt_length": 6,
        "point_prompt_length": 4,
        "dynamic_prompts": True,
        "point_prompts": "category",
        "feature_adapter": "pcfa",
        "temperature": 1.0,
        "learnable_temperature": False,
        "object_score": "max",
        "resolution": "groups",
        "local_geometry": False,
        "pose": "none",
        "num_views": 1,
        "learning_rate": 1e-4,
        "prompt_learning_rate": 1e-5,
        "weight_decay": 0.0,
        "schedule": "constant",
        "max_epochs": 1400,
        "max_steps": -1,
        "rotation": "so3",
        "extra_points": 0,
    }
    assert {name: values.get(name) for name in paper} == paper


def test_every_built_in_model_has_a_file() -> None:
    used = {yaml.safe_load(path.read_text())["class_path"].rpartition(".")[2] for path in FILES}
    assert used == {entry.name for entry in MODELS.entries.values() if entry.origin == BUILT_IN}
