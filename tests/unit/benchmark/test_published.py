"""Reported numbers stand beside ours on the official data only."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from plane_anomalib.benchmark.published import published_scores, reported_for
from plane_anomalib.core.results import METRIC_NAMES
from plane_anomalib.data import anomaly_shapenet, real3d_ad
from tests.support.sweep_results import failed, make_result

KINDS = [*(f"bulge{i}" for i in range(7)), *(f"concavity{i}" for i in range(7))]
KINDS += [f"positive{i}" for i in range(15)]
OFFICIAL = {name: [f"{name}_{kind}.pcd" for kind in KINDS] for name in ("ashtray0", "jar0")}


def test_every_number_of_the_tables_is_there() -> None:
    scores = published_scores()
    assert len(scores) == 1005
    assert {score.metric for score in scores} <= set(METRIC_NAMES)
    assert all(0 <= score.value <= 1 for score in scores)
    plane = [
        s.value
        for s in scores
        if (s.method, s.dataset, s.metric) == ("PLANE", "Anomaly-ShapeNet", "object_AUROC")
        and s.category != "mean"
    ]
    assert len(plane) == 40
    assert sum(plane) / 40 == pytest.approx(0.836, abs=2e-3)


@pytest.mark.parametrize(
    ("dataset", "official"),
    [("Anomaly-ShapeNet", anomaly_shapenet.CATEGORIES_40), ("Real3D-AD", real3d_ad.CATEGORIES)],
)
def test_reported_categories_are_those_of_the_loaders(
    dataset: str, official: tuple[str, ...]
) -> None:
    found = {s.category for s in published_scores() if s.dataset == dataset} - {"mean"}
    assert found == set(official)


def test_official_clouds_by_name_bring_the_reported_rows_over_the_same_categories() -> None:
    results = [
        make_result(categories=[name], files=OFFICIAL, data="AnomalyShapeNet") for name in OFFICIAL
    ]
    found = reported_for(results, list(OFFICIAL))
    rows = {row.method: row for row in found.rows}
    assert {"BTF", "M3DM_MAE", "PLANE", "R3D-AD"} <= set(rows)
    btf = rows["BTF"]
    assert set(btf.per_category["object_AUROC"]) == {"ashtray0", "jar0"}
    mean = sum(btf.per_category["object_AUROC"].values()) / 2
    assert btf.mean == {"object_AUROC": (pytest.approx(mean), None)}
    assert btf.averaged == {"object_AUROC"}
    assert "not compared" in found.reason


def test_the_whole_dataset_brings_printed_means_and_deviations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from plane_anomalib.benchmark import published

    table = published._table("official_tests.csv")
    digest = hashlib.sha256(b"a").hexdigest()
    tables = {
        "official_tests.csv": [{**row, "names_sha256": digest} for row in table],
        "published_scores.csv": published._table("published_scores.csv"),
    }
    monkeypatch.setattr(published, "_table", tables.__getitem__)
    names = list(real3d_ad.CATEGORIES)
    results = [make_result(categories=names, files={key: ["a"] for key in names}, data="Real3DAD")]
    rows = {(row.source, row.method): row for row in published.reported_for(results, names).rows}
    plane = rows["PLANE paper (arXiv)", "PLANE"]
    assert plane.mean["object_AUROC"] == (0.777, 0.005)
    assert plane.mean["point_AUPRO"] == (0.511, 0.006)
    assert not plane.averaged
    assert rows["Real3D-AD README (4 templates)", "BTF_FPFH"].mean["point_AP"] == (0.064, None)


def test_other_objects_under_official_names_have_no_reported_rows() -> None:
    files = {"ashtray0": OFFICIAL["ashtray0"][:-1]}
    results = [make_result(categories=["ashtray0"], files=files, data="AnomalyShapeNet")]
    found = reported_for(results, ["ashtray0"])
    assert not found.rows
    assert "ashtray0 has 28 test clouds, not the 29 official" in found.reason


@pytest.mark.parametrize(
    ("data", "category", "reason"),
    [
        ("ProceduralShapes", "gear", "none are known for the data ProceduralShapes"),
        ("AnomalyShapeNet", "cabinet0", "have no category cabinet0"),
        ("Real3DAD", "bowl1", "have no category bowl1"),
    ],
)
def test_other_data_says_why_there_are_none(data: str, category: str, reason: str) -> None:
    found = reported_for([make_result(categories=[category], data=data)], [category])
    assert not found.rows
    assert reason in found.reason


def test_data_that_no_finished_job_has_seen_is_not_taken_for_official() -> None:
    results = [failed(make_result(categories=["ashtray0"], data="AnomalyShapeNet"))]
    found = reported_for(results, ["ashtray0"])
    assert (found.rows, "no job has finished" in found.reason) == ([], True)


def test_reference_tables_come_with_the_package() -> None:
    text = Path("pyproject.toml").read_text(encoding="utf-8")
    assert "benchmark/reference/*" in text
    assert "web/templates/*" in text
