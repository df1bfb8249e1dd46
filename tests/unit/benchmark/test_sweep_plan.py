"""Jobs of a sweep, and what makes two of them the same job."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plane_anomalib.benchmark.plan import Plan, make_plan
from plane_anomalib.benchmark.sweep_file import (
    BUNDLED,
    DataColumn,
    ModelRow,
    SweepFile,
    columns_of,
    find_sweep,
    read_sweep,
)
from plane_anomalib.benchmark.sweep_run import START_SECONDS, Estimates
from plane_anomalib.core.errors import ConfigurationError
from tests.support.trees import shapenet_tree

BTF = ModelRow("BTF", "BTF raw", arguments={"descriptor": "raw"})
PLANE = ModelRow("Plane", "PLANE", scope="one-for-all")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return shapenet_tree(tmp_path / "tree", np.random.default_rng(0), count=40)


def plan_of(root: Path, *rows: ModelRow, **arguments: Any) -> Plan:
    column = DataColumn("AnomalyShapeNet", "ASN", {"root": str(root)})
    sweep = SweepFile(models=rows or (BTF,), title="t", **{"data": (column,), **arguments})
    return make_plan(sweep, root.parent / "cache", make=False)


def ids(plan: Plan) -> list[str | None]:
    return [planned.job_id for planned in plan.jobs]


def test_a_category_is_a_job_unless_one_model_is_for_all(tree: Path) -> None:
    bank = replace(BTF, row="bank", scope="one-for-all")
    plan = plan_of(tree, BTF, bank, PLANE, seeds=(0, 1))
    found = [(p.job.row, "+".join(p.job.categories), p.job.seed) for p in plan.jobs]
    assert found == [
        *[("BTF raw", name, seed) for name in ("bowl0", "cup1") for seed in (0, 1)],
        *[(row, "bowl0+cup1", seed) for row in ("bank", "PLANE") for seed in (0, 1)],
    ]
    jobs = [planned.job for planned in plan.jobs]
    assert [job.model.arguments.get("scope") for job in jobs] == ["category"] * 4 + ["all"] * 2 + [
        None
    ] * 2
    for job in jobs:
        assert job.model.arguments["seed"] == job.data.arguments["seed"] == job.seed
        assert job.data.arguments["category"] == job.categories
        assert job.model.arguments["visualizer"] is False
    assert len(set(ids(plan))) == 8
    assert plan.jobs[0].clouds == 4
    assert "38 of the published categories are not in" in plan.notes[0]


def test_names_places_and_speed_do_not_make_another_job(tree: Path, tmp_path: Path) -> None:
    before = ids(plan_of(tree))
    moved = tmp_path / "elsewhere" / "deeper" / "moved"
    shutil.copytree(tree, moved)
    assert ids(plan_of(moved)) == before
    assert ids(plan_of(moved.parent)) == before
    assert ids(plan_of(tree, replace(BTF, row="other"))) == before
    assert ids(plan_of(tree, replace(BTF, data_arguments={"num_workers": 3}))) == before
    assert (
        ids(plan_of(tree, replace(BTF, arguments={**BTF.arguments, "preset": "fixed"}))) == before
    )


def test_arguments_seeds_and_content_make_another_job(tree: Path) -> None:
    before = ids(plan_of(tree))
    for arguments in ({"descriptor": "fpfh"}, {**BTF.arguments, "preset": "faithful"}):
        assert not set(before) & set(ids(plan_of(tree, replace(BTF, arguments=arguments))))
    other = replace(BTF, data_arguments={"val_split_mode": "none"})
    assert not set(before) & set(ids(plan_of(tree, other)))
    assert not set(before) & set(ids(plan_of(tree, seeds=(1,))))
    cloud = next((tree / "cup1" / "test").iterdir())
    cloud.write_bytes(cloud.read_bytes() + b"\n")
    after = ids(plan_of(tree))
    assert after[0] == before[0], "bowl0 has not changed"
    assert after[1] != before[1]


def test_a_new_file_is_seen_although_the_listing_was_remembered(tree: Path) -> None:
    before = plan_of(tree)
    shutil.copytree(tree / "cup1", tree / "cup0")
    for file in (tree / "cup0").rglob("*"):
        if file.is_file():
            file.rename(file.with_name(file.name.replace("cup1", "cup0")))
    after = plan_of(tree)
    assert [p.job.categories for p in after.jobs] == [["bowl0"], ["cup0"], ["cup1"]]
    assert set(ids(before)) < set(ids(after))


def test_weights_count_by_content_and_missing_ones_leave_a_gap(tree: Path, tmp_path: Path) -> None:
    rows = []
    for name in ("a", "b/c"):
        file = tmp_path / f"{name}.safetensors"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"1")
        rows.append(ModelRow("M3DM", name, arguments={"backbone": str(file)}))
    first, second = (ids(plan_of(tree, row)) for row in rows)
    assert first == second
    (tmp_path / "a.safetensors").write_bytes(b"2")
    os.utime(tmp_path / "a.safetensors", ns=(1, 1))
    assert not set(ids(plan_of(tree, rows[0]))) & set(second)
    missing = replace(rows[0], row="gone", arguments={"backbone": "point-mae"})
    plan = plan_of(tree, missing, BTF)
    assert len(plan.jobs) == 2
    assert [(gap.row, "weights get point-mae" in gap.reason) for gap in plan.gaps] == [
        ("gone", True)
    ]


def test_missing_data_leave_a_gap_and_the_rest_goes_on(tree: Path) -> None:
    columns = tuple(
        DataColumn("AnomalyShapeNet", name, {"root": str(tree.parent / name)})
        for name in ("nowhere", "tree")
    )
    plan = plan_of(tree, data=columns)
    assert [gap.column for gap in plan.gaps] == ["nowhere"]
    assert "does not exist" in plan.gaps[0].reason
    assert len(plan.jobs) == 2


@pytest.mark.slow
def test_data_that_make_themselves_have_no_ids_until_they_are_made(tmp_path: Path) -> None:
    arguments = {"root": str(tmp_path / "shapes"), "num_points": 1000, "num_good": 1}
    column = DataColumn("ProceduralShapes", "", arguments)
    sweep = SweepFile((BTF,), "t", (column,), ["cup"])
    planned = make_plan(sweep, tmp_path / "cache", make=False)
    assert [(p.job_id, p.job.categories) for p in planned.jobs] == [(None, ["cup0"])]
    assert not (tmp_path / "shapes").exists()
    made = make_plan(sweep, tmp_path / "cache", make=True)
    assert ids(made) == ids(make_plan(sweep, tmp_path / "cache", make=False)) != [None]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            replace(BTF, arguments={"descripter": "raw"}),
            "raw on ASN: .* did you mean descriptor",
        ),
        (replace(BTF, data_arguments={"val_split": 1}), "did you mean val_split_"),
        (replace(BTF, arguments={"scope": "all"}), "says otherwise than the sweep's one-class"),
    ],
)
def test_what_cannot_be_meant_is_refused(tree: Path, row: ModelRow, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        plan_of(tree, row)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shards_together_are_the_whole_and_share_nothing(tree: Path, count: int) -> None:
    plan = plan_of(tree, BTF, PLANE, seeds=(0, 1))
    shards = [plan.shard(index, count) for index in range(1, count + 1)]
    parts = [planned.job_id or "" for shard in shards for planned in shard.jobs]
    assert sorted(parts) == sorted(planned.job_id or "" for planned in plan.jobs)


@pytest.mark.parametrize("name", sorted(file.stem for file in BUNDLED.glob("*.yaml")))
def test_the_hours_of_every_bundled_sweep_can_be_told(name: str, tree: Path) -> None:
    sweep = replace(read_sweep(find_sweep(name)), data=columns_of([tree]), categories="all")
    plan = make_plan(sweep, tree.parent / "cache", make=False)
    assert plan.jobs
    seconds = [Estimates().seconds(planned.job, 2) for planned in plan.jobs]
    assert min(seconds) > START_SECONDS


def test_rows_are_chosen_by_pattern(tree: Path) -> None:
    plan = plan_of(tree, BTF, PLANE)
    assert [p.job.row for p in plan.rows(["PL*"]).jobs] == ["PLANE"]
    with pytest.raises(ConfigurationError, match="BTF raw, PLANE"):
        plan.rows(["x"])
