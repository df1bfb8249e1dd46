"""What scans tell of themselves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from plane_anomalib.geometry.sampling import seen_from
from plane_anomalib.inspection.scans import is_one_sided, lie_alike, unit_of
from tests.unit.models.template_residual.shapes import lump


@pytest.mark.parametrize(
    ("extent", "unit"),
    [(84.0, "millimetres"), (2_000.0, "millimetres"), (0.084, "metres"), (1.0, ""), (2e6, "")],
)
def test_the_unit_is_guessed_where_only_one_is_likely(extent: float, unit: str) -> None:
    assert unit_of(extent) == unit


@pytest.mark.parametrize("num", [1_000, 6_000])
@pytest.mark.parametrize("direction", [(0, 0, 1), (0.6, 0.8, 0), (-1, 0, 0)])
def test_a_whole_object_is_told_from_what_one_side_shows(
    num: int, direction: tuple[float, float, float]
) -> None:
    whole = 50 * lump(np.random.default_rng(0), num)
    noise = np.random.default_rng(1).normal(0, 0.1, whole.shape)
    whole = np.asarray(whole + noise, np.float32)
    assert not is_one_sided(whole)
    assert is_one_sided(whole[seen_from(whole, direction)])


def test_specimens_in_a_fixture_lie_alike_and_turned_ones_do_not() -> None:
    scans = [lump(np.random.default_rng(number), 1_500) for number in range(3)]
    stretched = [scan * np.float32(1 + 0.003 * i) for i, scan in enumerate(scans)]
    assert lie_alike(stretched)
    turn = Rotation.from_rotvec([0.3, 0, 0.2]).as_matrix()
    turned = np.asarray(scans[2] @ turn.T, np.float32)
    assert not lie_alike([*scans[:2], turned])
    assert not lie_alike([scans[0], scans[1] + np.float32(0.1)])


def test_sparse_scans_lie_alike_as_dense_ones_do() -> None:
    dense, sparse = lump(np.random.default_rng(0), 4_000), lump(np.random.default_rng(1), 300)
    assert lie_alike([dense, sparse])
    assert lie_alike([sparse, dense])
