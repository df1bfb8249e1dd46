"""What is left of a plan, what it is called, how long it takes, and its table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plane_anomalib.benchmark.plan import Plan, Planned
from plane_anomalib.benchmark.schema import write_result
from plane_anomalib.benchmark.store import Store
from plane_anomalib.benchmark.sweep_run import START_SECONDS, Estimates, orders_of, results_of
from plane_anomalib.core.progress import duration
from tests.support.results import FAILED, order, result


def planned(seed: int, row: str = "row") -> Planned:
    wanted = order(seed)
    return Planned(replace(wanted.job, row=row), wanted.identity, clouds=10)


def test_each_job_is_left_once_and_failed_ones_only_if_wanted(tmp_path: Path) -> None:
    store = Store(tmp_path)
    plan = Plan("t", [planned(0), planned(0, "twin"), planned(1), planned(2)])
    write_result(tmp_path, result(order(1)))
    write_result(tmp_path, result(order(2, attempt=2), FAILED))
    left = orders_of(plan, store, retry_failed=False)
    assert [(each.job.seed, each.attempt) for each in left] == [(0, 1)]
    left = orders_of(plan, store, retry_failed=True)
    assert [(each.job.seed, each.attempt) for each in left] == [(0, 1), (2, 3)]


def test_results_have_the_names_of_the_plan(tmp_path: Path) -> None:
    write_result(tmp_path, result(order(0)))
    plan = Plan("t", [planned(0, "one"), planned(0, "twin"), planned(1)])
    assert [found.job.row for found in results_of(plan, Store(tmp_path))] == ["one", "twin"]


def test_estimates_learn_from_the_same_row() -> None:
    job = order().job
    estimates = Estimates()
    assert estimates.seconds(job, 10) == START_SECONDS + 10
    estimates.add(result(order(), FAILED))
    assert estimates.seconds(job, 10) == START_SECONDS + 10, "a failure tells nothing"
    quick = result(order())
    estimates.add(replace(quick, timing=replace(quick.timing, total_seconds=4.0)))
    assert estimates.seconds(job, 10) == 4
    assert estimates.seconds(replace(job, column="other", categories=["a", "b"])) == 8
    assert estimates.seconds(replace(job, row="other"), 10) == START_SECONDS + 10
    assert [duration(each) for each in (3, 300, 7200)] == ["3 s", "5 min", "2.0 h"]


def test_steps_of_training_count_and_measured_ones_take_longer() -> None:
    job = order().job

    def seconds(**arguments: object) -> float:
        plane = replace(job.model, name="Plane", arguments=arguments)
        return Estimates().seconds(replace(job, model=plane), 10)

    without = [seconds(template_context=False, max_steps=steps) for steps in (0, 100, None)]
    assert without[0] < without[1] < without[2]
    assert seconds(max_steps=100) > 2 * without[1]
    assert seconds(max_steps=100) < seconds(max_steps=None) == seconds()
