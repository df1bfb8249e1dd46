"""The pool: the same whoever draws it, with the user's own shapes in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.shapes.catalogue import HELD_OUT, draw_specimen
from plane_anomalib.pretraining import pool as pooling
from plane_anomalib.pretraining.config import PoolConfig
from plane_anomalib.pretraining.pool import (
    ShapeSource,
    make_pool,
    own_sources,
    spread,
    training_families,
    training_pool,
)


def test_pool_does_not_depend_on_the_number_of_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pooling, "_PER_TASK", 2)
    sources = [ShapeSource(family) for family in training_families()[:3]]
    one, two = (make_pool(sources, 64, (0,), workers) for workers in (1, 2))
    assert torch.equal(one.points, two.points)
    assert torch.equal(one.normals, two.normals)
    assert one.captions == two.captions
    other = make_pool(sources, 64, (1,), 1)
    assert not torch.equal(one.points, other.points)


def test_held_out_families_are_not_trained_on() -> None:
    pool = training_pool(PoolConfig(shapes=len(training_families()), points=32, workers=1), 0)
    assert set(pool.families) == set(training_families())
    assert not set(pool.families) & set(HELD_OUT)
    assert pool.points.dtype == torch.float16
    assert pool.points.float().norm(dim=-1).max() < 1.01


def test_cached_pool_is_read_again_and_another_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [ShapeSource(training_families()[0])]
    first = make_pool(sources, 32, (0,), 1, str(tmp_path))
    monkeypatch.setattr(pooling, "draw", None)  # drawing again would fail
    again = make_pool(sources, 32, (0,), 1, str(tmp_path))
    assert torch.equal(first.points, again.points)
    with pytest.raises(TypeError):
        make_pool(sources, 32, (1,), 1, str(tmp_path))


def test_shape_that_comes_to_nothing_is_drawn_again_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    family, fails = training_families()[0], [2]

    def failing(*arguments: object) -> object:
        fails[0] -= 1
        if fails[0] >= 0:
            raise ConfigurationError("Nothing is left of it.")
        return draw_specimen(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("plane_anomalib.generation.shapes.catalogue.draw_specimen", failing)
    pool = make_pool([ShapeSource(family)], 32, (0,), 1)
    assert pool.points.float().norm(dim=-1).max() > 0.5
    fails[0] = 9
    with pytest.raises(ConfigurationError, match="Nothing is left"):
        make_pool([ShapeSource(family)], 32, (0,), 1)


def test_own_files_join_under_the_name_of_their_folder(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in ("bowl0/scan.npy", "left_shoe.npy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, 5 + generator.normal(size=(50, 3)))
    own = own_sources(tmp_path)
    assert {source.family for source in own} == {"bowl", "left shoe"}
    sources = spread(["cup"], own, 8, 0.5)
    assert [source.family for source in sources].count("cup") == 4
    pool = make_pool([s for s in sources if s.file], 64, (0,), 1)
    assert set(pool.captions) == {"bowl", "left shoe"}
    assert torch.isfinite(pool.normals).all()
    assert pool.points.float().norm(dim=-1).max() < 1.01


def test_folder_without_shapes_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder with meshes or clouds"):
        own_sources(tmp_path / "nothing")
