"""Nothing that is missing is averaged away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plane_anomalib.benchmark.leaderboard import RowKey, leaderboard
from plane_anomalib.benchmark.schema import ONE_FOR_ALL, OUT_OF_MEMORY
from tests.support.sweep_results import HARDWARE, failed, make_result, make_sweep

BTF = RowKey("BTF FPFH", "one-class")
METRIC = "point_AP"


def test_one_class_and_one_for_all_meet_in_one_table() -> None:
    values = {"bowl": 0.6, "cup": 0.8}
    results = [
        make_result(categories=["bowl"], values=values),
        make_result(categories=["cup"], values=values),
        make_result("PLANE", categories=["bowl", "cup"], values=values, scope=ONE_FOR_ALL),
    ]
    board = leaderboard(results)
    for key in (BTF, RowKey("PLANE", ONE_FOR_ALL)):
        score = board.scores[key, "objects", METRIC]
        assert score.mean == pytest.approx(0.7)
        assert score.per_category == {"bowl": 0.6, "cup": 0.8}
        assert (score.complete, score.coverage) == (True, "")
    assert board.categories == {"objects": ["bowl", "cup"]}


def test_mean_over_categories_for_each_seed_then_mean_and_deviation_over_seeds() -> None:
    by_seed = {0: (0.5, 0.7), 1: (0.6, 0.8), 2: (0.4, 0.6)}
    results = [
        make_result(categories=[name], values={name: value}, seed=seed)
        for seed, pair in by_seed.items()
        for name, value in zip(("bowl", "cup"), pair, strict=True)
    ]
    score = leaderboard(results).scores[BTF, "objects", METRIC]
    assert score.per_seed == pytest.approx({0: 0.6, 1: 0.7, 2: 0.5})
    assert (score.mean, score.deviation) == pytest.approx((0.6, 0.1))
    assert score.per_category == pytest.approx({"bowl": 0.5, "cup": 0.7})


def test_one_seed_has_no_deviation() -> None:
    score = leaderboard([make_result()]).scores[BTF, "objects", METRIC]
    assert (score.mean, score.deviation) == (0.7, None)


def test_a_failed_category_makes_the_row_incomplete_and_uncompared() -> None:
    results = [*make_sweep({"A": 0.9, "B": 0.5}, ["bowl", "cup", "tap"])]
    broken = next(i for i, r in enumerate(results) if r.job.row == "A")
    results[broken] = failed(results[broken], OUT_OF_MEMORY)
    board = leaderboard(results)
    score = board.scores[RowKey("A", "one-class"), "objects", METRIC]
    assert not score.complete
    assert score.coverage == "2 of 3 categories"
    assert score.deviation is None
    assert list(board.comparable("objects", METRIC)) == [RowKey("B", "one-class")]
    assert [r.status for r in board.failures] == [OUT_OF_MEMORY]


def test_a_row_that_only_failed_is_still_a_row() -> None:
    board = leaderboard([failed(make_result("A")), make_result("B")])
    assert [key.row for key in board.rows] == ["A", "B"]
    score = board.scores[RowKey("A", "one-class"), "objects", METRIC]
    assert (score.mean, score.coverage) == (None, "0 of 1 categories")


def test_nothing_but_failures_makes_a_leaderboard_without_metrics() -> None:
    board = leaderboard([failed(make_result("A"))])
    assert (board.metrics, board.scores, len(board.failures)) == ([], {}, 1)
    assert leaderboard([]).rows == []


def test_an_incomplete_seed_is_left_out_and_said() -> None:
    results = make_sweep({"BTF FPFH": 0.7}, ["bowl", "cup"], seeds=[0, 1, 2])
    results = [failed(r) if (r.job.seed, r.job.categories) == (1, ["cup"]) else r for r in results]
    score = leaderboard(results).scores[BTF, "objects", METRIC]
    assert sorted(score.per_seed) == [0, 2]
    assert (score.complete, score.left_out) == (True, [1])
    assert score.coverage == "incomplete and left out: seed 1"
    bowl = [
        r.run.metrics.per_category["bowl"][METRIC]
        for r in results
        if r.run and r.job.categories == ["bowl"] and r.job.seed != 1
    ]
    assert score.per_category["bowl"] == pytest.approx(sum(bowl) / 2)


def test_categories_that_no_seed_has_all_of_are_not_complete() -> None:
    results = make_sweep({"BTF FPFH": 0.7}, ["bowl", "cup"], seeds=[0, 1])
    lost = [(0, ["bowl"]), (1, ["cup"])]
    results = [failed(r) if (r.job.seed, r.job.categories) in lost else r for r in results]
    score = leaderboard(results).scores[BTF, "objects", METRIC]
    assert (score.complete, score.coverage) == (False, "no seed has all 2 categories")


def test_a_metric_that_the_data_lacks_is_not_expected() -> None:
    absent = {METRIC: None, "object_AUROC": 0.9}
    results = [
        make_result(row, categories=["bowl", "cup"], values={"bowl": 0.6, "cup": absent})
        for row in ("A", "B")
    ]
    board = leaderboard(results)
    score = board.scores[RowKey("A", "one-class"), "objects", METRIC]
    assert (score.mean, score.expected, score.complete) == (0.6, 1, True)
    assert board.without["objects", METRIC] == ["cup"]
    assert ("objects", "object_AUROC") not in board.without


def test_a_metric_that_one_row_lacks_makes_that_row_incomplete() -> None:
    results = [
        make_result("A", categories=["bowl", "cup"], values={"bowl": 0.6, "cup": {METRIC: None}}),
        make_result("B", categories=["bowl", "cup"], values={"bowl": 0.6, "cup": 0.5}),
    ]
    board = leaderboard(results)
    assert board.scores[RowKey("A", "one-class"), "objects", METRIC].coverage == (
        "1 of 2 categories"
    )


def test_of_two_results_for_one_place_the_newest_is_shown_and_the_other_named() -> None:
    old = make_result(values={"bowl": 0.2}, job_id="a" * 20)
    new = make_result(values={"bowl": 0.8}, job_id="b" * 20, finished="2026-02-01T00:00:00+00:00")
    board = leaderboard([new, old])
    assert board.scores[BTF, "objects", METRIC].mean == 0.8
    assert board.results == [new]
    assert any(old.job_id in notice for notice in board.notices)


def test_floors_are_means_over_the_expected_categories() -> None:
    result = make_result(categories=["bowl", "cup"])
    assert result.run is not None
    result.run.metrics.floors["cup"]["object_AP"] = 0.8
    assert leaderboard([result]).floors["objects", "object_AP"] == pytest.approx(0.7)


def test_costs_are_weighted_by_clouds_and_name_their_machines() -> None:
    few = make_result(categories=["bowl"], seconds=1.0)
    many = make_result(categories=["cup"], seconds=4.0, files={"cup": list("abcdef")})
    many = replace(many, hardware=replace(HARDWARE, gpu="a card"))
    board = leaderboard([few, many])
    cost = board.costs[BTF, "objects"]
    assert cost.seconds_per_cloud == pytest.approx((2 * 1.0 + 6 * 4.0) / 8)
    assert (cost.fit_seconds, cost.operations, cost.parameters) == (80.0, 2_001_000_000, 22_000_000)
    assert set(cost.hardware) == {HARDWARE, replace(HARDWARE, gpu="a card")}
    assert any("kinds of machine" in notice for notice in board.notices)


def test_results_of_other_data_or_code_are_told() -> None:
    first, second = make_result("A"), make_result("B")
    other = replace(second.identity, data="f" * 64)
    assert leaderboard([first, second]).notices == []
    (notice,) = leaderboard([first, replace(second, identity=other)]).notices
    assert "same files" in notice
    newer = replace(make_result("A", seed=1), identity=replace(first.identity, code="f" * 64))
    assert any("versions of the code" in n for n in leaderboard([first, newer]).notices)
    # A loader's code counts as well: that of another dataset is not another version.
    elsewhere = replace(newer, job=replace(newer.job, data=replace(newer.job.data, name="Other")))
    assert not any("versions" in n for n in leaderboard([first, elsewhere]).notices)


def test_labels_name_the_scope_only_where_rows_share_a_name() -> None:
    results = [make_result("A"), make_result("A", scope=ONE_FOR_ALL), make_result("B")]
    board = leaderboard(results)
    assert [board.label(key) for key in board.rows] == ["A (one-class)", "A (one-for-all)", "B"]
