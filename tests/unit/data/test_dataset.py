import os
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.data.dataset import PointCloudPredictDataset
from tests.support.trees import shapenet_tree, surface, write_pcd


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_folder_gives_every_cloud_below_it_in_order(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    shapenet_tree(tmp_path, generator, ("bowl0",), templates=1, count=30)
    dataset = PointCloudPredictDataset(tmp_path)
    names = [path.name for path in dataset.files]
    assert names == sorted(names)
    assert len(names) == 5
    assert not any(name.endswith(".txt") for name in names)


def test_file_is_scored_alone_and_without_labels(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    points = surface(generator, 40)
    path = write_pcd(tmp_path / "a.pcd", points)
    write_pcd(tmp_path / "b.pcd", points)
    dataset = PointCloudPredictDataset(str(path), category="cup")
    batch = next(iter(DataLoader(dataset, collate_fn=dataset.collate_fn)))
    assert np.array_equal(batch.points.numpy(), points)
    assert batch.gt_mask is None
    assert batch.gt_label is None
    assert (batch.category, batch.image_path) == (["cup"], [str(path)])


def test_links_and_hidden_files_are_left_out(
    tmp_path: Path, generator: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    outside = write_pcd(tmp_path / "outside.pcd", surface(generator, 9))
    inside = tmp_path / "in"
    write_pcd(inside / "a.pcd", surface(generator, 9))
    write_pcd(inside / ".hidden" / "b.pcd", surface(generator, 9))
    os.symlink(outside, inside / "c.pcd")
    assert [p.name for p in PointCloudPredictDataset(inside).files] == ["a.pcd"]
    assert "1 links that lead out of it are not followed" in caplog.text


def test_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        PointCloudPredictDataset(tmp_path / "x.pcd")


def test_folder_without_clouds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.md").touch()
    with pytest.raises(DatasetError, match="holds no cloud or mesh"):
        PointCloudPredictDataset(tmp_path)


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.docx").touch()
    with pytest.raises(PointCloudFileError, match="is not a point cloud or mesh"):
        PointCloudPredictDataset(tmp_path / "a.docx")
