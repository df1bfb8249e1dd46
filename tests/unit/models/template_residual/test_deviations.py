from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sklearn.metrics import roc_auc_score

from plane_anomalib.models.template_residual import TemplateResidualConfig
from plane_anomalib.models.template_residual.deviations import num_context_channels
from plane_anomalib.models.template_residual.torch_model import TemplateResidualDetector
from tests.unit.models.template_residual.shapes import lump, with_bump


@pytest.fixture(scope="module")
def detector() -> TemplateResidualDetector:
    generator = np.random.default_rng(0)
    detector = TemplateResidualDetector()
    detector.fit([lump(generator, 2500) for _ in range(3)])
    return detector


def test_first_channel_is_the_score_that_the_detector_gives(
    detector: TemplateResidualDetector,
) -> None:
    cloud = lump(np.random.default_rng(1), 2500)
    channels = detector.context(cloud).channels
    assert channels.shape == (2500, num_context_channels(3))
    assert channels.dtype == np.float32
    np.testing.assert_allclose(np.sinh(channels[:, 0]), detector(cloud).anomaly_map, rtol=1e-4)


@pytest.mark.parametrize("scales", [(1,), (6, 16), (4, 8, 16, 32)])
def test_the_number_of_channels_follows_the_scales(scales: tuple[int, ...]) -> None:
    generator = np.random.default_rng(2)
    detector = TemplateResidualDetector(TemplateResidualConfig(scales=scales))
    detector.fit([lump(generator, 400) for _ in range(2)])
    assert detector.context(lump(generator, 300)).channels.shape == (
        300,
        num_context_channels(len(scales)),
    )


def test_points_in_another_order_get_the_same_channels(
    detector: TemplateResidualDetector,
) -> None:
    generator = np.random.default_rng(3)
    cloud, order = lump(generator, 1500), generator.permutation(1500)
    np.testing.assert_array_equal(
        detector.context(cloud).channels[order], detector.context(cloud[order]).channels
    )


def test_surroundings_of_a_bump_deviate_more_than_those_of_noise(
    detector: TemplateResidualDetector,
) -> None:
    bumped, moved = with_bump(lump(np.random.default_rng(4), 2500))
    channels = detector.context(bumped).channels
    # Free deviation: its mean size among the neighbours' neighbours.
    assert roc_auc_score(moved, channels[:, -9]) > 0.95


@pytest.mark.slow
def test_channels_of_the_whole_specimen_tell_a_noisy_scan(
    detector: TemplateResidualDetector,
) -> None:
    generator = np.random.default_rng(5)
    usual = detector.context(lump(generator, 2500)).channels[0, -5:]
    noisy = detector.context(lump(generator, 2500) + generator.normal(0, 0.02, (2500, 3))).channels[
        0, -5:
    ]
    assert (noisy[[0, 2, 3]] > usual[[0, 2, 3]]).all()


@pytest.mark.slow
def test_a_cloud_said_to_be_in_place_is_not_turned() -> None:
    generator = np.random.default_rng(6)
    detector = TemplateResidualDetector()
    detector.fit(
        [
            np.asarray(lump(generator, 2000) @ Rotation.random(random_state=seed).as_matrix().T)
            for seed in range(3)
        ]
    )
    assert not bool(detector.posed)
    turn = Rotation.random(random_state=9).as_matrix()
    away = np.asarray(lump(generator, 2000) @ turn.T, np.float32)
    found, left = (
        np.median(detector.context(away, in_place=p).channels[:, 0]) for p in (False, True)
    )
    assert left > found + 1
