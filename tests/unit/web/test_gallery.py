from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from plane_anomalib.web.gallery import Gallery
from tests.support.shown import scored_sphere


def test_the_gallery_is_even_over_categories_and_labels() -> None:
    generator = np.random.default_rng()
    gallery = Gallery(max_clouds=12, max_points=50)
    base = scored_sphere(generator, 60)
    sizes = {"many": 60, "some": 9, "few": 3}
    for category, size in sizes.items():
        for i in range(size):
            bad = i % 3 > 0
            path = f"/d/{category}/{i}.pcd"
            gallery.add(replace(base, category=category, anomalous=bad, path=path))
    kept = Counter((cloud.category, cloud.anomalous) for cloud in gallery.clouds())
    assert sum(kept.values()) == 12
    # "few" has two defective clouds and one good one: all stay, the others share what is left.
    assert (kept.pop(("few", True)), kept.pop(("few", False))) == (2, 1)
    assert sorted(kept.values()) == [2, 2, 2, 3]
    assert len(gallery.records) == 72


def test_kinds_of_defect_are_shown_evenly() -> None:
    gallery = Gallery(max_clouds=4, max_points=50)
    base = scored_sphere(np.random.default_rng(), 60)
    for i, kind in enumerate(["bulge"] * 20 + ["hole"] * 5):
        gallery.add(replace(base, defect=kind, path=f"/d/{i}.pcd"))
    assert Counter(c.defect for c in gallery.clouds()) == {"bulge": 2, "hole": 2}


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_no_more_clouds_and_points_are_kept_than_allowed(limit: int) -> None:
    generator = np.random.default_rng()
    gallery = Gallery(max_clouds=limit, max_points=100)
    for i in range(7):
        gallery.add(scored_sphere(generator, 500, name=str(i), category=f"c{i % 2}"))
        assert len(gallery.clouds()) <= limit
    assert all(len(cloud.points) <= 100 for cloud in gallery.clouds())
    assert all(cloud.num_points == 500 for cloud in gallery.clouds())


def test_copies_do_not_hold_the_batch() -> None:
    cloud = scored_sphere(np.random.default_rng(), 30)
    batch = np.concatenate([cloud.points] * 10)
    gallery = Gallery(max_clouds=3, max_points=100)
    gallery.add(replace(cloud, points=batch[:30]))
    assert not np.shares_memory(gallery.clouds()[0].points, batch)


def test_the_threshold_behind_the_masks_is_found() -> None:
    generator = np.random.default_rng()
    gallery = Gallery(max_clouds=3, max_points=10)
    for _ in range(4):
        gallery.add(scored_sphere(generator, 500))
    scale = gallery.scale()
    assert scale.threshold is not None
    assert 0.4 <= scale.threshold <= 0.6
    assert gallery.scale(known_threshold=0.5).threshold == 0.5


def test_a_threshold_on_another_scale_is_not_believed() -> None:
    gallery = Gallery(max_clouds=3, max_points=10)
    gallery.add(scored_sphere(np.random.default_rng(), 500))
    found = gallery.scale(known_threshold=17.0).threshold
    assert found is not None
    assert found < 1


def test_masks_that_no_single_threshold_makes_have_none() -> None:
    generator = np.random.default_rng()
    cloud = scored_sphere(generator, 500)
    gallery = Gallery(max_clouds=3, max_points=10)
    gallery.add(replace(cloud, predicted=generator.random(500) < 0.5))
    assert gallery.scale().threshold is None


def test_an_empty_cloud_is_recorded_and_not_drawn() -> None:
    cloud = scored_sphere(np.random.default_rng(), 10)
    nothing = {"points": np.empty((0, 3), np.float32), "scores": np.empty(0, np.float32)}
    flags = {"truth": np.empty(0, bool), "predicted": np.empty(0, bool)}
    gallery = Gallery(max_clouds=3, max_points=10)
    gallery.add(replace(cloud, **nothing, **flags))
    assert len(gallery.records) == 1
    assert gallery.clouds() == []
