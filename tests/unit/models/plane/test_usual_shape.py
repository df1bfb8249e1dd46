from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.spatial import cKDTree

from plane_anomalib.geometry.local_shape import local_shape_channels, local_shape_features
from plane_anomalib.geometry.validation import FloatArray
from plane_anomalib.models.plane.usual_shape import UsualShape, compared_channels
from tests.unit.models.template_residual.shapes import lump

SCALES = (16, 48, 128)


def shapes(cloud: FloatArray) -> FloatArray:
    return local_shape_features(cloud, cloud, SCALES)[:, compared_channels(len(SCALES))]


def test_deviations_are_those_from_the_nearest_places_of_all_specimens() -> None:
    rng = np.random.default_rng()
    places = [rng.normal(size=(200, 3)) for _ in range(3)]
    values = [rng.normal(size=(200, 4)) for _ in range(3)]
    usual = UsualShape()
    usual.fit(places, values)
    asked, own = rng.normal(size=(50, 3)), rng.normal(size=(50, 4))
    together = np.concatenate(values)
    near = together[cKDTree(np.concatenate(places)).query(asked, 24)[1]]
    spread = np.sqrt(near.var(1) + (0.3 * together.std(0)) ** 2)
    expected = np.arcsinh((own - near.mean(1)) / spread)
    np.testing.assert_allclose(usual.deviations(asked, own), expected, rtol=0.02, atol=0.01)


def test_roughness_shows_where_the_specimens_are_smooth() -> None:
    rng = np.random.default_rng(5)
    specimens = [lump(rng, 4000) for _ in range(3)]
    usual = UsualShape()
    usual.fit(specimens, [shapes(cloud) for cloud in specimens])
    names = [local_shape_channels(len(SCALES))[i] for i in compared_channels(len(SCALES))]
    column = names.index("roughness_1")
    cloud = lump(rng, 4000)
    rough = cloud[:, 2] > np.quantile(cloud[:, 2], 0.9)
    scratched = cloud + rough[:, None] * rng.normal(0, 0.01, cloud.shape)
    size = np.abs(usual.deviations(cloud, shapes(np.float32(scratched)))[:, column])
    assert np.median(size[rough]) > 2 * np.median(size[~rough])


@pytest.mark.parametrize("scales", [1, 2, 4])
def test_the_finest_scales_and_what_lies_between_them_are_compared(scales: int) -> None:
    names = [local_shape_channels(scales)[i] for i in compared_channels(scales)]
    assert names == list(local_shape_channels(min(scales, 2))[:-2])


def test_fewer_places_than_neighbours_serve_and_the_tree_is_not_pickled() -> None:
    rng = np.random.default_rng(1)
    usual = UsualShape()
    usual.fit([rng.normal(size=(5, 3))], [rng.normal(size=(5, 2))])
    asked = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    found = usual.deviations(*asked)
    again = pickle.loads(pickle.dumps(usual))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again.deviations(*asked), found)
    assert np.isfinite(found).all()
