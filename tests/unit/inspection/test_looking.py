"""Views of a scan of one side are from the side it was scanned from."""

from __future__ import annotations

import numpy as np
import pytest

from plane_anomalib.inspection.pages import ViewFinder
from plane_anomalib.web.raster import best_rotation
from plane_anomalib.web.shown_cloud import ShownCloud
from tests.support.judged import part


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_shell_is_not_looked_into(axis: int, sign: float) -> None:
    whole = part(np.random.default_rng(axis), 4000)
    outward = sign * (whole[:, axis] - np.median(whole[:, axis]))
    shell = whole[outward > 0]
    # The middle of the shell matters, which is as well seen from inside.
    weights = (outward[outward > 0] > np.quantile(outward, 0.97)).astype(np.float32)
    rotation = ViewFinder(ShownCloud("a", shell), whole).rotation(weights)
    assert sign * rotation[2, axis] > 0.2


def test_of_a_whole_cloud_the_good_scan_hides_nothing() -> None:
    generator = np.random.default_rng(0)
    cloud, good = ShownCloud("a", part(generator)), part(generator)
    weights = (cloud.points[:, 0] > np.quantile(cloud.points[:, 0], 0.9)).astype(np.float32)
    rotation = ViewFinder(cloud, good).rotation(weights)
    assert np.array_equal(rotation, best_rotation(cloud, weights))
