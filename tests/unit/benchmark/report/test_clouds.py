"""Clouds of a report: the right ones, small, and read from nowhere but their job's folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.benchmark.leaderboard import leaderboard
from plane_anomalib.benchmark.report import page
from plane_anomalib.benchmark.report.page import (
    MAX_POINTS,
    MAX_TOTAL_POINTS,
    CloudCards,
    cloud_cards,
    write_report,
)
from plane_anomalib.benchmark.schema import JobResult, SavedCloud
from tests.support.sweep_results import keep_cloud, make_result


@pytest.fixture
def kept(tmp_path: Path) -> JobResult:
    """A result with its worst and best cloud beside it."""
    generator = np.random.default_rng(0)
    result = make_result()
    for kind in ("best", "worst"):
        result = keep_cloud(tmp_path, result, kind, generator)
    return result


def cards(folder: Path, *results: JobResult) -> CloudCards:
    return cloud_cards(leaderboard(results), folder)


def test_the_worst_comes_before_the_best_with_truth_and_scores(
    tmp_path: Path, kept: JobResult
) -> None:
    found = cards(tmp_path, kept)
    assert [(card.row, card.kind) for card in found.cards] == [
        ("BTF FPFH", "worst"),
        ("BTF FPFH", "best"),
    ]
    assert "point AP 0.210" in found.cards[0].caption
    for card in found.cards:
        cloud = found.data["clouds"][card.index]["cloud"]
        assert 0.8 * MAX_POINTS <= cloud["shown"] <= MAX_POINTS
        assert cloud["total"] == 9000
        assert cloud["truth"]
        assert cloud["pointScores"]
    assert not found.problems


def test_of_several_categories_and_seeds_the_extreme_ones_are_shown(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    results = []
    for seed, quality in enumerate((0.4, 0.1, 0.3)):
        result = keep_cloud(tmp_path, make_result(seed=seed), "worst", generator)
        saved = replace(result.clouds[0], point_AP=quality)
        results.append(replace(result, clouds=[saved]))
    (card,) = cards(tmp_path, *results).cards
    assert card.caption.endswith("point AP 0.100, seed 1")


@pytest.mark.parametrize("name", ["../secret.npz", "/etc/passwd", "sub/../../secret.npz", ""])
def test_a_file_outside_the_jobs_folder_is_not_opened(
    tmp_path: Path, kept: JobResult, name: str
) -> None:
    np.savez(tmp_path / "secret.npz", points=np.zeros((9, 3)), scores=np.zeros(9))
    found = cards(tmp_path, replace(kept, clouds=[SavedCloud(name, "a", "bowl", "best", 0.5)]))
    assert not found.cards
    assert len(found.problems) == 1


def test_a_link_out_of_the_jobs_folder_is_not_followed(tmp_path: Path, kept: JobResult) -> None:
    np.savez(tmp_path / "secret.npz", points=np.zeros((9, 3)), scores=np.zeros(9))
    file = tmp_path / kept.job_id / "best.npz"
    file.unlink()
    file.symlink_to(tmp_path / "secret.npz")
    found = cards(tmp_path, kept)
    assert [card.kind for card in found.cards] == ["worst"]
    assert "is not in its folder" in found.problems[0]


@pytest.mark.parametrize(
    "arrays",
    [
        {"points": np.zeros((9, 2)), "scores": np.zeros(9)},
        {"points": np.zeros((9, 3)), "scores": np.zeros(8)},
        {"points": np.full((9, 3), np.nan), "scores": np.zeros(9)},
        {"points": np.zeros((0, 3)), "scores": np.zeros(0)},
        {"points": np.zeros((9, 3))},
        {"points": np.array([{}] * 9, dtype=object), "scores": np.zeros(9)},
    ],
    ids=["plane", "too few scores", "nan", "empty", "no scores", "pickled"],
)
def test_a_file_that_holds_no_cloud_is_named_and_the_report_goes_on(
    tmp_path: Path, kept: JobResult, arrays: dict[str, np.ndarray]
) -> None:
    np.savez(tmp_path / kept.job_id / "best.npz", **arrays)
    found = cards(tmp_path, kept)
    assert [card.kind for card in found.cards] == ["worst"]
    assert f"{kept.job_id}/best.npz" in found.problems[0]
    page = write_report([kept], tmp_path / "out", title="t", results_folder=tmp_path)[0]
    assert "A cloud is not shown" in page.read_text("utf-8")


def test_missing_files_without_truth_and_without_a_folder(tmp_path: Path, kept: JobResult) -> None:
    (tmp_path / kept.job_id / "best.npz").unlink()
    file = tmp_path / kept.job_id / "worst.npz"
    with np.load(file) as arrays:
        points, scores = arrays["points"], arrays["scores"]
    scores[3] = np.nan
    np.savez(file, points=points, scores=scores)
    found = cards(tmp_path, kept)
    assert found.data["clouds"][0]["cloud"]["truth"] is None
    assert len(found.problems) == 1
    nothing = cloud_cards(leaderboard([kept]), None)
    assert (nothing.cards, nothing.problems) == ([], [])


def test_many_clouds_share_what_a_page_may_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MAX_TOTAL_POINTS", 9000)
    generator = np.random.default_rng(0)
    results = [keep_cloud(tmp_path, make_result(f"m{i}"), "best", generator) for i in range(4)]
    found = cards(tmp_path, *results)
    shown = [each["cloud"]["shown"] for each in found.data["clouds"]]
    assert all(0.8 * 2250 <= number <= 2250 for number in shown)
    # With this many bytes for each point, all that a page may hold is well below 5 MB.
    assert len(json.dumps(found.data)) / sum(shown) * MAX_TOTAL_POINTS < 4e6
