import os
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.core.errors import ConfigurationError, DatasetError, PointCloudFileError
from plane_anomalib.data.minishift import CATEGORIES, MiniShift
from tests.support.trees import minishift_tree

TRUTH = "cube/gt/Sphere/hard/0.txt"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return minishift_tree(tmp_path / "MiniShiftAD", np.random.default_rng(0), ("cube",))


def loaded(root: Path, **arguments: object) -> MiniShift:
    module = MiniShift(root=root, **arguments)  # type: ignore[arg-type]
    module.setup()
    return module


def places(module: MiniShift) -> list[str]:
    paths = module.test_data.samples.image_path
    return [Path(path).relative_to(module.root / "cube/test").as_posix() for path in paths]


def test_whole_tree_is_loaded_with_its_labels(root: Path) -> None:
    module = loaded(root)
    assert places(module) == [
        "Sphere/easy/0.txt",
        "Sphere/hard/0.txt",
        "Sphere/medium/0.txt",
        "good/0.txt",
        "good/1.txt",
    ]
    assert module.test_data.samples.defect.tolist() == ["Sphere"] * 3 + ["good"] * 2
    assert module.counts["cube"] == {"train": 3, "val": 32, "test_good": 2, "test_anomalous": 3}


@pytest.mark.parametrize("level", ["easy", "medium", "hard", "HARD"])
def test_one_level_keeps_the_good_clouds(root: Path, level: str) -> None:
    found = places(loaded(root, level=level))
    assert found == [f"Sphere/{level.lower()}/0.txt", "good/0.txt", "good/1.txt"]


def test_labels_are_in_the_clouds_own_order(root: Path) -> None:
    data = loaded(root).test_data
    for item in (data[row] for row in range(len(data))):
        radii = np.linalg.norm(item.points.numpy() / [1.0, 0.8, 0.6], axis=1)
        assert item.gt_mask is not None
        assert np.array_equal(item.gt_mask.numpy(), radii < 0.95)


def test_labels_above_one_half_are_anomalous(root: Path) -> None:
    np.savetxt(root / TRUTH, np.where(np.arange(200) < 3, 0.6, 0.4))
    mask = loaded(root, level="hard").test_data[0].gt_mask
    assert mask is not None
    assert mask.nonzero().flatten().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones(199), "has 199 labels for a cloud of 200 usable points"),
        (np.zeros(200), "no point is labelled anomalous"),
        (np.ones((200, 4)), r"line 1 has 4 value\(s\), not 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(root: Path, labels: np.ndarray, message: str) -> None:
    np.savetxt(root / TRUTH, labels)
    with pytest.raises(PointCloudFileError, match=rf"hard/0\.txt: .*{message}"):
        loaded(root, level="hard").test_data[0]


def test_anomalous_cloud_without_truth_is_refused(root: Path) -> None:
    (root / TRUTH).unlink()
    with pytest.raises(PointCloudFileError, match=r"anomalous, but its ground truth .*gt/Sphere"):
        loaded(root)
    assert len(loaded(root, level="easy").test_data) == 3


@pytest.mark.parametrize("given", ["..", ".", "cube", "cube/train", "cube/train/good", "cube/gt"])
def test_root_a_level_off_is_found(root: Path, given: str) -> None:
    assert loaded(root / given).categories == ["cube"]


def test_clouds_outside_the_levels_are_refused(root: Path) -> None:
    os.replace(root / "cube/test/Sphere/easy/0.txt", root / "cube/test/Sphere/0.txt")
    with pytest.raises(PointCloudFileError, match=r"Sphere/0\.txt: lies in .*easy, medium and har"):
        loaded(root)


def test_defect_without_levels_is_refused(root: Path) -> None:
    (root / "cube/test/Areal").mkdir()
    with pytest.raises(DatasetError, match="Areal has no folder easy, medium or hard"):
        loaded(root)


@pytest.mark.parametrize("split", ["train", "test"])
def test_category_without_good_clouds_is_refused(root: Path, split: str) -> None:
    for path in (root / "cube" / split / "good").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=rf"no usable \.txt cloud in {split}/good"):
        loaded(root)


def test_unknown_level_is_refused(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"level must be 'all', 'easy', .*not 'simple'"):
        MiniShift(root=root, level="simple")  # type: ignore[arg-type]


def test_twelve_categories_are_published() -> None:
    assert len(set(CATEGORIES)) == 12


def test_missing_root_says_what_to_download(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"does not exist.*ChengYuQi99/MiniShift"):
        loaded(tmp_path / "nowhere")
