"""ProceduralShapes: made on first use, read by the benchmark's loader."""

from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.core.errors import ConfigurationError, DatasetError
from plane_anomalib.data.shapes import ProceduralShapes
from plane_anomalib.generation.shapes.nominal_objects import NOMINAL_OBJECTS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ProceduralShapes:
    root = tmp_path_factory.mktemp("shapes") / "root"
    data = ProceduralShapes(root=root, category="wrench", num_points=1500, num_good=2)
    data.prepare_data()
    data.setup()
    return data


def test_first_use_makes_the_requested_category_only(made: ProceduralShapes) -> None:
    assert made.categories == ["wrench0"]
    assert {p.name for p in made.root.iterdir() if p.is_dir()} == {"wrench0"}
    assert len(made.train_data) + len({*made.val_data.samples.image_path}) == 4
    assert made.counts["wrench0"]["test_good"] == 2
    assert made.counts["wrench0"]["test_anomalous"] == 7


def test_masks_agree_with_the_truth_files(made: ProceduralShapes) -> None:
    for i, path in enumerate(made.test_data.samples.image_path):
        item = made.test_data[i]
        truth = Path(path).parents[1] / "GT" / f"{Path(path).stem}.txt"
        positives = np.loadtxt(truth, delimiter=",")[:, 3].sum() if truth.exists() else 0
        assert item.gt_mask is not None
        assert int(item.gt_mask.sum()) == positives
        assert bool(item.gt_label) == (positives > 0)


def test_a_second_datamodule_reads_the_same_files(made: ProceduralShapes) -> None:
    written = {p: p.stat().st_mtime_ns for p in made.root.rglob("*") if p.is_file()}

    again = ProceduralShapes(root=made.root, category="wrench0", num_points=1500, num_good=2)
    again.setup()

    assert again.root == made.root
    assert {p: p.stat().st_mtime_ns for p in made.root.rglob("*") if p.is_file()} == written


def test_the_official_categories_are_the_families() -> None:
    data = ProceduralShapes()
    assert data.official_categories == tuple(NOMINAL_OBJECTS)
    assert data.root == Path("datasets/procedural_shapes")


def test_an_unknown_category_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    data = ProceduralShapes(root=tmp_path / "root", category="wrnch0")

    with pytest.raises(DatasetError, match="did you mean 'wrench0'"):
        data.prepare_data()

    assert not (tmp_path / "root").exists()


def test_wrong_arguments_are_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="num_points"):
        ProceduralShapes(num_points=10)
