"""The map of text prompts: read safely, projected faithfully, drawn for the right rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.benchmark.leaderboard import leaderboard
from plane_anomalib.benchmark.report.prompt_map import (
    PROMPTS_FILE,
    project,
    prompt_maps,
    read_prompts,
    write_prompts,
)
from plane_anomalib.benchmark.schema import ONE_FOR_ALL
from plane_anomalib.core.results import ResultsError
from tests.support.sweep_results import make_result


def test_written_prompts_are_read_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    normal, anomalous = generator.normal(size=(2, 3, 8)).astype(np.float32)
    write_prompts(tmp_path, ["a", "b", "猫"], normal, anomalous)
    found = read_prompts(tmp_path)
    assert found is not None
    assert found.categories == ["a", "b", "猫"]
    assert (found.normal == normal).all()
    assert (found.anomalous == anomalous).all()
    assert read_prompts(tmp_path / "elsewhere") is None


def test_prompts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="do not fit"):
        write_prompts(tmp_path, ["a"], np.zeros((2, 8)), np.zeros((2, 8)))
    with pytest.raises(ResultsError, match="not finite"):
        write_prompts(tmp_path, ["a"], np.full((1, 8), np.nan), np.zeros((1, 8)))
    assert not list(tmp_path.iterdir())


def test_damaged_and_pickled_prompts_are_refused(tmp_path: Path) -> None:
    file = tmp_path / PROMPTS_FILE
    file.write_bytes(b"no archive")
    with pytest.raises(ResultsError, match="cannot be read"):
        read_prompts(tmp_path)
    names = np.array([{}], dtype=object)
    np.savez(file, categories=names, normal=np.zeros((1, 2)), anomalous=np.zeros((1, 2)))
    with pytest.raises(ResultsError, match="cannot be read"):
        read_prompts(tmp_path)


def test_projection_keeps_distances_of_vectors_in_a_plane() -> None:
    generator = np.random.default_rng(1)
    basis = np.linalg.qr(generator.normal(size=(16, 16)))[0][:, :3]
    angles = generator.uniform(0, 2 * np.pi, 9)
    # Unit vectors on a cone vary in two dimensions only.
    circle = np.stack([np.cos(angles), np.sin(angles), np.full(9, 1.5)], 1) / np.sqrt(3.25)
    places, share = project(7.0 * circle @ basis.T)
    flat = circle[:, :2]
    expected = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    assert np.linalg.norm(places[:, None] - places[None], axis=2) == pytest.approx(expected)
    assert share == pytest.approx(1.0)
    largest = np.abs(places).argmax(axis=0)
    assert (places[largest, [0, 1]] > 0).all()


def test_projection_of_alike_and_of_two_vectors() -> None:
    places, share = project(np.ones((4, 8)))
    assert (places == pytest.approx(0), share) == (True, 1.0)
    assert project(np.eye(2, 8))[0].shape == (2, 2)


def test_one_class_jobs_share_a_map_and_other_seeds_stay_out(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    results = [
        make_result("PLANE", categories=[name], seed=seed)
        for seed in (0, 1)
        for name in ("bowl", "cup <1>")
    ]
    results.append(make_result("PLANE", categories=["x", "y"], scope=ONE_FOR_ALL))
    for result in results:
        home = tmp_path / result.job_id
        home.mkdir()
        shape = (len(result.job.categories), 8)
        write_prompts(
            home, result.job.categories, generator.normal(size=shape), generator.normal(size=shape)
        )
    results.append(make_result("BTF"))
    maps, problems = prompt_maps(leaderboard(results), tmp_path)
    assert not problems
    assert [each.title for each in maps] == [
        "PLANE (one-class) on objects, seed 0",
        "PLANE (one-for-all) on objects, seed 0",
    ]
    assert [each.picture.count("<circle") for each in maps] == [2, 2]
    assert [each.picture.count("<polygon") for each in maps] == [2, 2]
    assert "cup &lt;1&gt;" in maps[0].picture


def test_a_damaged_file_is_a_notice(tmp_path: Path) -> None:
    result = make_result("PLANE")
    (tmp_path / result.job_id).mkdir()
    (tmp_path / result.job_id / PROMPTS_FILE).write_bytes(b"")
    maps, problems = prompt_maps(leaderboard([result]), tmp_path)
    assert (maps, len(problems)) == ([], 1)
