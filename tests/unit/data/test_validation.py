from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data import validation
from plane_anomalib.data.dataset import synthetic_rows
from plane_anomalib.data.validation import draw_variant, hold_out
from tests.support.trees import dent, surface


def table(**sizes: int) -> pd.DataFrame:
    names = [name for name, size in sizes.items() for _ in range(size)]
    return pd.DataFrame({"category": names, "label_index": 0, "variant": -1, "split": "train"})


def press(points: NDArray[np.float32], generator: np.random.Generator) -> SimpleNamespace:
    changed, mask = dent(points, generator)
    return SimpleNamespace(points=changed, mask=mask, kind="dent")


@pytest.mark.parametrize(("size", "held"), [(1, 0), (2, 1), (3, 1), (4, 1), (8, 2), (40, 10)])
def test_a_quarter_of_each_category_is_held_out_and_never_all(size: int, held: int) -> None:
    rows = table(a=size, b=4)
    kept, out = hold_out(rows.category, 0.25, seed=0)
    assert sorted(kept + out) == list(range(size + 4))
    assert (rows.category[out] == "a").sum() == held
    assert (rows.category[out] == "b").sum() == 1


def test_what_is_held_out_depends_on_the_seed_not_on_other_categories() -> None:
    alone = hold_out(table(b=50).category, 0.2, seed=1)[1]
    beside = hold_out(table(a=7, b=50).category, 0.2, seed=1)[1]
    assert [row + 7 for row in alone] == [row for row in beside if row >= 7]
    assert hold_out(table(b=50).category, 0.2, seed=2)[1] != alone


@pytest.mark.parametrize(("clouds", "draws"), [(1, 16), (6, 3), (16, 1), (40, 1)])
def test_there_are_enough_clouds_of_both_kinds(clouds: int, draws: int) -> None:
    rows = synthetic_rows(table(a=clouds), None)
    assert (rows.label_index == 0).sum() == (rows.label_index == 1).sum() == clouds * draws
    assert len(synthetic_rows(table(a=clouds), 2)) == 4 * clouds


def test_drawn_clouds_are_parts_of_the_held_out_one() -> None:
    points = surface(np.random.default_rng(0), 300)
    drawn, mask, kind = draw_variant(points, None, np.random.default_rng(1))
    assert 240 <= len(drawn) <= 300
    assert set(map(tuple, drawn)) <= set(map(tuple, points))
    assert (mask.any(), kind) == (False, "good")


def test_normal_and_anomalous_draws_have_the_same_sizes() -> None:
    points = surface(np.random.default_rng(0), 1000)
    sizes = {
        bool(transform): [
            len(draw_variant(points, transform, np.random.default_rng([7, i]))[0])
            for i in range(20)
        ]
        for transform in (None, press)
    }
    assert sizes[False] == sizes[True]


def test_anomalous_draws_are_marked() -> None:
    points = surface(np.random.default_rng(0), 300)
    drawn, mask, kind = draw_variant(points, press, np.random.default_rng(1))
    changed = ~np.array([tuple(p) in set(map(tuple, points)) for p in drawn])
    assert np.array_equal(changed, mask)
    assert kind == "dent"


def test_huge_scans_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "MAX_POINTS", 100)
    drawn, _, _ = draw_variant(
        surface(np.random.default_rng(0), 5000), None, np.random.default_rng(1)
    )
    assert 80 <= len(drawn) <= 100


@pytest.mark.parametrize("marked", [False, True])
def test_transform_that_marks_no_region_is_refused(marked: bool) -> None:
    def idle(points: NDArray[np.float32], generator: np.random.Generator) -> SimpleNamespace:
        return SimpleNamespace(points=points, mask=np.full(len(points), marked), kind="none")

    with pytest.raises(ConfigurationError, match="marked no region in 10 attempts"):
        draw_variant(surface(np.random.default_rng(0)), idle, np.random.default_rng(1))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 2.0])
def test_share_outside_zero_and_one_is_refused(share: float) -> None:
    with pytest.raises(ConfigurationError, match="val_split_ratio must be between 0 and 1"):
        hold_out(table(a=4).category, share, seed=0)
