import subprocess
import sys

import numpy as np
import pytest

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.generation.shapes.catalogue import FAMILIES, HELD_OUT, KINDS, draw_specimen

POINTS = 700


@pytest.mark.parametrize("family", FAMILIES)
def test_a_specimen_is_a_normalised_cloud_with_outward_unit_normals(family: str) -> None:
    shape = draw_specimen(family, np.random.default_rng(3), POINTS)
    assert shape.points.shape == shape.normals.shape == (POINTS, 3)
    assert shape.points.dtype == shape.normals.dtype == np.float32
    assert np.isfinite(shape.points).all()
    assert np.abs(shape.points.mean(axis=0)).max() < 1e-4
    assert np.linalg.norm(shape.points, axis=1).max() == pytest.approx(1.0, abs=1e-5)
    assert np.allclose(np.linalg.norm(shape.normals, axis=1), 1.0, atol=1e-5)
    assert shape.name == family
    assert len(shape.caption.split()) >= 2
    assert "  " not in shape.caption


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_gives_one_specimen_and_other_seeds_other_ones(family: str) -> None:
    first, again, *others = (
        draw_specimen(family, np.random.default_rng(seed), 200) for seed in (5, 5, 6, 7, 8, 9, 10)
    )
    assert np.array_equal(first.points, again.points)
    assert np.array_equal(first.normals, again.normals)
    assert first.caption == again.caption
    assert not any(np.array_equal(first.points, other.points) for other in others)
    # The wording follows the specimen: six draws are not all worded alike.
    assert len({first.caption, *(other.caption for other in others)}) > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_normals_lead_out_of_the_material(family: str) -> None:
    for seed in (0, 1):
        solid, _ = FAMILIES[family](np.random.default_rng(seed))
        points, normals = solid.sample(np.random.default_rng(seed), 500)
        # Tubes are sampled between their rings: exact to a thousandth of the size.
        step = 2e-3 * float(np.ptp(points, axis=0).max())
        assert solid.inside(points - step * normals).mean() > 0.85
        assert (~solid.inside(points + step * normals)).mean() > 0.85


def test_nearly_all_normals_of_all_families_lead_out() -> None:
    inner, outer = [], []
    for make in FAMILIES.values():
        solid, _ = make(np.random.default_rng(2))
        points, normals = solid.sample(np.random.default_rng(2), 300)
        step = 1e-3 * float(np.ptp(points, axis=0).max())
        inner.append(solid.inside(points - step * normals).mean())
        outer.append((~solid.inside(points + step * normals)).mean())
    assert np.mean(inner) > 0.99
    assert np.mean(outer) > 0.99


def test_there_are_enough_families_and_no_name_is_lost_between_files() -> None:
    assert len(FAMILIES) == sum(len(kind) for kind in KINDS) >= 64
    assert set(HELD_OUT) < set(FAMILIES)
    assert len(set(HELD_OUT)) == len(HELD_OUT) >= 8


@pytest.mark.slow
def test_families_differ_in_shape_from_draw_to_draw() -> None:
    for family in FAMILIES:
        spreads = [
            draw_specimen(family, np.random.default_rng(seed), 400).points.std(axis=0)
            for seed in range(5)
        ]
        assert np.ptp(spreads, axis=0).max() > 0.004, family


def test_what_cannot_be_drawn_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError, match="no shape family 'unicorn'"):
        draw_specimen("unicorn", np.random.default_rng(0), 100)
    with pytest.raises(ConfigurationError, match="at least 2 points"):
        draw_specimen("cup", np.random.default_rng(0), 1)


def test_the_room_needs_neither_torch_nor_anomalib() -> None:
    code = (
        "import sys; import plane_anomalib.generation.shapes.catalogue as s;"
        "assert len(s.FAMILIES) > 60; assert not {'torch', 'anomalib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
