"""The results schema: what is written can be read, anything else is refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from plane_anomalib.core.results import (
    METRIC_NAMES,
    CategoryCounts,
    Component,
    Hardware,
    Metrics,
    ObjectScore,
    ResultsError,
    RunResult,
    Timing,
    Versions,
    read_metrics_json,
    render_table,
    write_metrics_json,
)


def make_result() -> RunResult:
    full = {name: 0.5 + i / 100 for i, name in enumerate(METRIC_NAMES)}
    absent = dict.fromkeys(METRIC_NAMES)
    metrics = Metrics(
        mean=full,
        mean_over=dict.fromkeys(METRIC_NAMES, 1),
        pooled={**full, "point_AUPRO": 0.123456},
        per_category={"bowl0": full, "a_long_category_name": absent},
        floors={"mean": {**absent, "object_AP": 0.543}},
        notes=["a_long_category_name: no anomalous cloud, so no object metrics."],
        settings={"pro_limit": 0.3},
    )
    return RunResult(
        versions=Versions("0.1.0", "unknown", "2.7.0", "2.9.0", "3.11.2"),
        seed=None,
        model=Component("Plane", {"steps": 3, "rates": [0.1, 1], "nested": {"a": None}}),
        data=Component("ProceduralShapes"),
        config_hash="c" * 64,
        data_counts={"bowl0": CategoryCounts(4, 3, 2, 1000, 20, 2)},
        data_hash=None,
        weights_hash="w" * 64,
        hardware=Hardware("a processor", 2, 1 << 33, None),
        timing=Timing("2025-01-01T00:00:00+00:00", "2025-01-01T00:00:09+00:00", 9.0, 0.5, None),
        peak_memory_bytes=123,
        peak_gpu_memory_bytes=None,
        metrics=metrics,
        objects=[ObjectScore("bowl0/a.pcd", "bowl0", True, 1.5), ObjectScore("b", "", None, None)],
    )


def test_results_of_another_run_in_the_same_folder_are_kept(tmp_path: Path) -> None:
    first = make_result()
    write_metrics_json(tmp_path, first)
    write_metrics_json(tmp_path, first)
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]
    second = dataclasses.replace(first, weights_hash="v" * 64)
    write_metrics_json(tmp_path, second)
    assert read_metrics_json(tmp_path) == second
    (kept,) = tmp_path.glob("metrics.*.json")
    assert read_metrics_json(kept) == first


def test_a_damaged_file_is_kept_aside_and_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{")
    write_metrics_json(tmp_path, make_result())
    assert read_metrics_json(tmp_path) == make_result()
    assert [file.read_text() for file in tmp_path.glob("metrics.*.json")] == ["{"]


def test_written_results_are_read_back_equal(tmp_path: Path) -> None:
    result = make_result()
    file = write_metrics_json(tmp_path / "new" / "run", result)
    assert file.name == "metrics.json"
    assert read_metrics_json(file) == read_metrics_json(file.parent) == result
    assert [p.name for p in file.parent.iterdir()] == ["metrics.json"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_metrics_json(tmp_path, make_result())
    before = (tmp_path / "metrics.json").read_bytes()

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_metrics_json(tmp_path, dataclasses.replace(make_result(), seed=7))
    assert (tmp_path / "metrics.json").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_absent_and_infinite_numbers_become_null() -> None:
    result = dataclasses.replace(
        make_result(),
        objects=[ObjectScore("x", "c", True, float("inf")), ObjectScore("y", "c", False, 1.0)],
        model=Component("M", {"margin": float("nan")}),
    )
    text = result.to_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["objects"][0]["score"] is None
    assert json.loads(text)["model"]["arguments"]["margin"] is None


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused(version: object) -> None:
    data = json.loads(make_result().to_json()) | {"schema_version": version}
    with pytest.raises(
        ResultsError, match=r"run7: is of version .*, and this plane_anomalib reads 1"
    ):
        RunResult.from_json(json.dumps(data), source="run7")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d.pop("seed"), "the entry seed is missing"),
        (lambda d: d.update(extra=1), "there is no entry extra"),
        (
            lambda d: d["hardware"].update(cores="two"),
            "hardware.cores must be of type int, not 'two'",
        ),
        (lambda d: d["hardware"].update(cores=True), "hardware.cores must be of type int"),
        (lambda d: d.update(objects={}), "objects must be of type list"),
        (lambda d: d["objects"][0].update(score="x"), r"objects\[0\].score must be of type float"),
        (lambda d: d["metrics"]["per_category"].update(bowl0=[]), "per_category.bowl0 must be"),
    ],
)
def test_damaged_results_are_refused_naming_the_place(edit: object, message: str) -> None:
    data = json.loads(make_result().to_json())
    edit(data)
    with pytest.raises(ResultsError, match=message):
        RunResult.from_json(json.dumps(data))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": NaN}', "[" * 100_000])
def test_text_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(ResultsError, match=r"metrics\.json"):
        read_metrics_json(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"nowhere.*cannot be read"):
        read_metrics_json(tmp_path / "nowhere")


def test_an_integer_where_a_number_is_due_is_read_as_a_number() -> None:
    data = json.loads(make_result().to_json())
    data["timing"]["test_seconds"] = 9
    assert RunResult.from_json(json.dumps(data)).timing.test_seconds == 9.0


def test_table_has_a_row_per_category_and_a_dash_for_absent_values() -> None:
    table = render_table(make_result())
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells[0] == ["category", *METRIC_NAMES]
    assert [row[0] for row in cells[2:]] == [
        "bowl0",
        "a_long_category_name",
        "mean of 2",
        "pooled",
        "floor of the mean",
    ]
    assert cells[2][1:3] == ["0.5000", "0.5100"]
    assert set(cells[3][1:]) == {"-"}
    assert cells[5][METRIC_NAMES.index("point_AUPRO") + 1] == "0.1235"
    assert "object_AUROC 1" in table
    assert "- a_long_category_name: no anomalous cloud" in table
