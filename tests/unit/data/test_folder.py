import os
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.core.errors import ConfigurationError, DatasetError, PointCloudFileError
from plane_anomalib.data.folder import PointCloudFolder
from tests.support.trees import dent, folder_tree, surface, write_pcd


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def root(tmp_path: Path, generator: np.random.Generator) -> Path:
    return folder_tree(tmp_path / "bracket", generator)


def loaded(root: Path, **arguments: object) -> PointCloudFolder:
    module = PointCloudFolder(root=root, **arguments)  # type: ignore[arg-type]
    module.setup()
    return module


def test_folders_say_what_a_cloud_is(root: Path) -> None:
    module = loaded(root)
    samples = module.test_data.samples
    assert samples.defect.tolist() == ["Deep scratch", "dent", "good", "good"]
    assert samples.label_index.tolist() == [1, 1, 0, 0]
    assert module.categories == ["bracket"]
    assert module.name == "bracket"
    for index in range(4):
        item = module.test_data[index]
        assert item.gt_mask is not None
        assert bool(item.gt_mask.any()) == (index < 2)


def test_without_ground_truth_there_are_object_labels_only(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    module = loaded(folder_tree(tmp_path, generator, truth=False))
    items = [module.test_data[index] for index in range(4)]
    assert [bool(item.gt_label) for item in items] == [True, True, False, False]
    assert all(item.gt_mask is None for item in items)
    assert module.task == "classification"
    assert module.val_data[0].gt_mask is not None


def test_every_folder_below_can_be_a_category(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    for name in ("bracket", "Flange 2"):
        folder_tree(tmp_path / name, generator)
    module = loaded(tmp_path)
    assert module.categories == ["Flange 2", "bracket"]
    assert loaded(tmp_path, category="flange 2").categories == ["Flange 2"]


def test_normal_clouds_may_lie_in_train_good(root: Path) -> None:
    os.makedirs(root / "train" / "good")
    os.replace(root / "train" / "scan0.pcd", root / "train" / "good" / "scan0.pcd")
    assert len(loaded(root, val_split_mode="none").train_data) == 4


def test_clouds_and_meshes_of_every_format_mix(root: Path, generator: np.random.Generator) -> None:
    points = surface(generator, 60)
    np.save(root / "train" / "array.npy", points)
    np.savetxt(root / "train" / "text.xyz", points)
    faces = "f 1 2 3\nf 1 3 4\nf 1 2 4\nf 2 3 4\n"
    vertices = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
    (root / "train" / "mesh.obj").write_text(vertices + faces)
    data = loaded(root, val_split_mode="none").train_data
    assert len(data) == 7
    assert all(data[index].points.shape[1] == 3 for index in range(7))


def test_truth_may_be_an_array_in_the_clouds_order(
    root: Path, generator: np.random.Generator
) -> None:
    points, mask = dent(surface(generator), generator)
    write_pcd(root / "test/dent/scan9.pcd", points)
    (root / "ground_truth/dent/scan9.txt").unlink()
    np.save(root / "ground_truth/dent/scan9.npy", mask)
    item = loaded(root).test_data[1]
    assert item.gt_mask is not None
    assert np.array_equal(item.gt_mask.numpy(), mask)


def test_name_names_results_and_category(root: Path) -> None:
    module = loaded(root, name="casting")
    assert (module.name, module.categories) == ("casting", ["casting"])


def test_training_clouds_alone_can_be_fitted_but_not_tested(
    tmp_path: Path, generator: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    write_pcd(tmp_path / "train" / "a.pcd", surface(generator))
    write_pcd(tmp_path / "train" / "b.pcd", surface(generator))
    module = loaded(tmp_path)
    assert "no test clouds" in caplog.text
    assert len(module.train_dataloader()) == 1
    with pytest.raises(DatasetError, match="holds no test cloud: use `fit` instead of `train`"):
        module.test_dataloader()


def test_name_that_is_a_path_is_refused(root: Path) -> None:
    with pytest.raises(ConfigurationError, match="usable as a folder's name, not 'a/b'"):
        PointCloudFolder(root=root, name="a/b")


def test_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        loaded(tmp_path / "nowhere")


def test_file_as_root_is_refused(root: Path) -> None:
    with pytest.raises(DatasetError, match="is a file, not a folder"):
        loaded(root / "train" / "scan0.pcd")


def test_root_without_train_lists_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    with pytest.raises(DatasetError, match="has no train folder, nor has a folder in it: scans"):
        loaded(tmp_path)


def test_train_folder_as_root_is_told_apart(root: Path) -> None:
    with pytest.raises(DatasetError, match="give the folder above it"):
        loaded(root / "train")


def test_empty_train_is_refused(root: Path) -> None:
    for path in (root / "train").iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match="train holds no cloud"):
        loaded(root)


def test_defect_folder_in_train_is_refused(root: Path) -> None:
    os.replace(root / "test" / "dent", root / "train" / "dent")
    with pytest.raises(DatasetError, match="may hold normal clouds only"):
        loaded(root)


def test_loose_cloud_in_test_is_refused(root: Path) -> None:
    os.replace(root / "test/dent/scan9.pcd", root / "test/scan9.pcd")
    with pytest.raises(PointCloudFileError, match=r"scan9\.pcd: lies in test itself"):
        loaded(root)


def test_truth_for_some_anomalous_clouds_only_is_refused(root: Path) -> None:
    (root / "ground_truth/dent/scan9.txt").unlink()
    with pytest.raises(PointCloudFileError, match="has no ground truth, though other clouds have"):
        loaded(root)


def test_two_truths_of_one_cloud_are_refused(root: Path) -> None:
    np.save(root / "ground_truth/dent/scan9.npy", np.ones(200))
    with pytest.raises(PointCloudFileError, match=r"more than one ground truth: scan9\.npy and"):
        loaded(root)
