"""Sweep files: what they may say, what is answered when they say something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from plane_anomalib.benchmark.sweep_file import (
    BUNDLED,
    SweepFile,
    columns_of,
    find_sweep,
    read_sweep,
    with_roots,
)
from plane_anomalib.core.errors import ConfigurationError, DatasetError
from plane_anomalib.core.registry import DATASETS, MODELS

NAMES = {
    "plane_variants",
    *("table1_anomaly_shapenet", "table2_real3d_ad", "table3_metrics", "table4_components"),
    *("table5_point_prompts", "table6_losses", "table7_layers", "figure5_speed"),
    *("figure7_prompt_lengths", "objects", "objects_faithful", "objects_one_for_all", "smoke"),
}
DATA = "data: [{dataset: AnomalyShapeNet, column: ASN, arguments: {root: here}}]\n"


def read(tmp_path: Path, text: str) -> SweepFile:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return read_sweep(file)


def test_every_table_of_the_paper_has_its_file() -> None:
    assert {file.stem for file in BUNDLED.glob("*.yaml")} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_bundled_sweeps_name_what_there_is(name: str) -> None:
    sweep = read_sweep(find_sweep(name))
    for row in sweep.models:
        MODELS.complete(row.model, row.arguments)
        for column in sweep.data:
            DATASETS.complete(column.dataset, {**column.arguments, **row.data_arguments})
    rows = [(row.row, row.only) for row in sweep.models]
    assert len(set(rows)) == len(rows)


def test_names_are_completed_and_a_models_file_gives_way_to_arguments(tmp_path: Path) -> None:
    (tmp_path / "plane.yaml").write_text(
        "class_path: plane_anomalib.models.plane.Plane\ninit_args: {max_steps: 9, num_views: 2}\n"
    )
    models = "models: [{model: btf}, {row: P, config: plane.yaml, arguments: {max_steps: 5}}]\n"
    sweep = read(tmp_path, models + DATA)
    assert [(row.row, row.model) for row in sweep.models] == [("BTF", "BTF"), ("P", "Plane")]
    assert sweep.models[1].arguments == {"max_steps": 5, "num_views": 2}
    assert (sweep.title, sweep.seeds, sweep.scope) == ("mine", (0,), "one-class")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modells: []", r"mine\.yaml: there is no entry modells: did you mean models"),
        ("models: [{modle: BTF}]", r"no entry models\[0\]\.modle: did you mean model"),
        ("title: x", "the entry models is missing"),
        ("models: []", "at least one of models"),
        ("models: [{model: BFT}]", "No model is called 'BFT': did you mean BTF"),
        ("models: [{row: x}]", "needs either model or config"),
        ("models: [{config: none.yaml}]", r"none\.yaml cannot be read"),
        ("models: [{model: BTF}]\nscope: one-clas", "did you mean one-class"),
        ("models: [{model: BTF}]\nseeds: 3", "seeds must be of type list"),
        ("models: [{model: BTF}]\nlimits: {memory_gb: 0}", "limits.memory_gb must be above 0"),
        ("models: [{model: BTF}]\ndata: [{dataset: Real3DD}]", "did you mean Real3DAD"),
        ("models: [{model: BTF, only: [ASM]}]\n" + DATA, "did you mean ASN"),
        (
            "models: [{model: BTF}]\ndata: [{dataset: Real3DAD}, {dataset: Real3DAD}]",
            "two columns have one name",
        ),
        ("models: [{model: BTF}]\ncategories: [../x]", "is a path"),
        ("- 1", "must hold a mapping"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(
        ConfigurationError, match=message.replace("?", r"\?").replace(r"\\?", r"\?")
    ):
        read(tmp_path, text)


def test_an_unknown_name_is_answered() -> None:
    with pytest.raises(ConfigurationError, match="did you mean smoke"):
        find_sweep("smoek")
    with pytest.raises(ConfigurationError, match="There is no sweep file nothing"):
        find_sweep("nothing.yaml")


def test_roots_are_given_by_column_or_dataset(tmp_path: Path) -> None:
    sweep = read(tmp_path, "models: [{model: BTF}]\n" + DATA)
    for name in ("ASN", "AnomalyShapeNet"):
        assert with_roots(sweep, [f"{name}=/there"]).data[0].arguments == {"root": "/there"}
    with pytest.raises(ConfigurationError, match="did you mean ASN"):
        with_roots(sweep, ["ASM=/there"])
    with pytest.raises(ConfigurationError, match="COLUMN=DIR"):
        with_roots(sweep, ["ASN"])


def test_folders_in_any_public_layout_become_columns(tmp_path: Path) -> None:
    for place, truth in (("all/one", "GT"), ("all/two", "gt"), ("three", "gt")):
        for part in ("train", "test", truth):
            (tmp_path / place / "car" / part).mkdir(parents=True)
        (tmp_path / place / "car" / "train" / "1_template.pcd").touch()
    (tmp_path / "all" / "notes").mkdir()
    for place in ("four/nut/Pointcloud/train/0.stl", "five/nut/train/good/0.txt"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).touch()
    own = tmp_path / "own" / "nut" / "train" / "good"
    own.mkdir(parents=True)
    (own / "0.txt").touch()
    (tmp_path / "five" / "nut" / "gt").mkdir()
    scans = columns_of([tmp_path / "four", tmp_path / "five"])
    assert [(c.column, c.dataset) for c in scans] == [("four", "MulSenAD"), ("five", "MiniShift")]
    found = columns_of([tmp_path / "all", tmp_path / "three"])
    assert [(c.column, c.dataset) for c in found] == [
        ("one", "AnomalyShapeNet"), ("two", "Real3DAD"), ("three", "Real3DAD")
    ]  # fmt: skip
    assert found[0].arguments["root"] == str(tmp_path / "all" / "one")
    for wrong in (tmp_path / "all" / "notes", tmp_path / "own", tmp_path / "nowhere"):
        with pytest.raises(DatasetError):
            columns_of([wrong])
    with pytest.raises(DatasetError, match="one name"):
        columns_of([tmp_path / "three", tmp_path / "three"])
