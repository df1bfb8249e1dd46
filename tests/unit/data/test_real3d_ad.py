import os
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.data.real3d_ad import CATEGORIES, Real3DAD
from tests.support.trees import real3d_tree, surface, write_truth


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def root(tmp_path: Path, generator: np.random.Generator) -> Path:
    return real3d_tree(tmp_path / "Real3D-AD-PCD", generator)


def loaded(root: Path, **arguments: object) -> Real3DAD:
    module = Real3DAD(root=root, **arguments)  # type: ignore[arg-type]
    module.setup()
    return module


def test_whole_tree_is_loaded_with_its_labels(root: Path) -> None:
    samples = loaded(root, category="duck").test_data.samples
    kinds = {Path(p).stem: d for p, d in zip(samples.image_path, samples.defect, strict=True)}
    assert kinds == {
        "12_good": "good",
        "12_good_cut": "good",
        "5_good_copy": "good",
        "3_bulges": "bulges",
        "63_sink_cut": "sink",
        "78_hybrid": "hybrid",
    }
    assert samples.label_index.tolist() == [int(d != "good") for d in samples.defect]


def test_masks_mark_the_dent(root: Path) -> None:
    data = loaded(root).test_data
    for index in range(len(data)):
        item = data[index]
        assert item.gt_mask is not None
        assert bool(item.gt_mask.any()) == bool(item.gt_label)


@pytest.mark.parametrize("given", ["", "Real3D-AD-PCD"])
def test_root_one_level_up_is_found(root: Path, given: str) -> None:
    assert loaded(root.parent / given).categories == ["car", "duck"]


@pytest.mark.parametrize("given", ["duck", "duck/test", "duck/gt"])
def test_root_one_or_two_levels_down_is_found(root: Path, given: str) -> None:
    assert loaded(root / given).categories == ["duck"]


def test_candy_is_the_candybar(tmp_path: Path, generator: np.random.Generator) -> None:
    real3d_tree(tmp_path, generator, ("candybar",))
    assert loaded(tmp_path, category="Candy").category == "candybar"


def test_twelve_categories_are_published() -> None:
    assert len(set(CATEGORIES)) == 12


def test_templates_may_be_called_prototypes(root: Path) -> None:
    train = root / "duck/train"
    os.replace(train / "4_template.pcd", train / "4_prototype.pcd")
    data = loaded(root, category="duck", val_split_mode="none").train_data
    assert set(data.samples.defect) == {"good"}
    assert len(data) == 4


@pytest.mark.parametrize("source", ["pcd", "gt"])
def test_clouds_with_published_broken_truth_count_as_objects(
    tmp_path: Path, generator: np.random.Generator, source: str
) -> None:
    folder = real3d_tree(tmp_path, generator, ("chicken",)) / "chicken"
    os.replace(folder / "test/63_sink_cut.pcd", folder / "test/706_sink.pcd")
    write_truth(folder / "gt/706_sink.txt", surface(generator), np.zeros(200, bool), delimiter=" ")
    data = loaded(tmp_path, geometry_source=source).test_data
    number = next(i for i, p in enumerate(data.samples.image_path) if "706_sink" in p)
    assert data[number].gt_mask is None
    assert bool(data[number].gt_label)


def test_any_other_broken_truth_is_refused(root: Path) -> None:
    points = surface(np.random.default_rng(0))
    write_truth(root / "duck/gt/3_bulges.txt", points, np.zeros(200, bool), delimiter=" ")
    data = loaded(root, category="duck").test_data
    number = next(i for i, p in enumerate(data.samples.image_path) if "3_bulges" in p)
    with pytest.raises(PointCloudFileError, match=r"gt/3_bulges\.txt: no point is labelled"):
        data[number]


def test_missing_root_says_what_to_download(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"does not exist.*Real3D-AD-PCD"):
        loaded(tmp_path / "nowhere")


def test_several_copies_are_refused(tmp_path: Path, generator: np.random.Generator) -> None:
    for name in ("old", "new"):
        real3d_tree(tmp_path / name, generator, ("duck",))
    with pytest.raises(DatasetError, match="holds several copies of the dataset"):
        loaded(tmp_path)
