import os
from pathlib import Path

import numpy as np
import open3d as o3d
import pytest
from scipy.spatial import KDTree

from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.data.mulsen_ad import CATEGORIES, MulSenAD
from tests.support.trees import dent, mulsen_tree, surface, write_stl

HEADER = "object,RGB,infrared,pointcloud\n"


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def root(tmp_path: Path, generator: np.random.Generator) -> Path:
    return mulsen_tree(tmp_path / "MulSen_AD", generator, ("cube",))


def loaded(root: Path, **arguments: object) -> MulSenAD:
    module = MulSenAD(root=root, **arguments)  # type: ignore[arg-type]
    module.setup()
    return module


def kinds(module: MulSenAD) -> dict[str, str]:
    samples = module.test_data.samples
    places = ["/".join(Path(path).parts[-2:]) for path in samples.image_path]
    return dict(zip(places, samples.defect, strict=True))


def test_clouds_whose_defect_the_scanner_does_not_see_count_as_good(root: Path) -> None:
    module = loaded(root)
    assert kinds(module) == {
        "color/10.stl": "good",
        "color/2.stl": "color",
        "good/0.stl": "good",
        "good/1.stl": "good",
        "hole/2.stl": "hole",
    }
    samples = module.test_data.samples
    assert samples.label_index.tolist() == [int(d != "good") for d in samples.defect]
    assert module.counts["cube"] == {"train": 3, "val": 32, "test_good": 3, "test_anomalous": 2}


def test_a_cloud_is_the_vertices_of_its_file_each_once(tmp_path: Path, root: Path) -> None:
    points = surface(np.random.default_rng(5), 150)
    write_stl(root / "cube/Pointcloud/train/0.stl", points)
    data = loaded(root, val_split_mode="none").train_data
    found = data[0].points.numpy()
    assert data[0].path.endswith("train/0.stl")
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, points.tolist()))


def test_points_and_labels_equal_those_of_the_authors_rules(root: Path) -> None:
    """Vertices by open3d without copies, and each listed point labels its nearest vertex."""
    data = loaded(root).test_data
    for item in (data[row] for row in range(len(data)) if data.row(row).label_index):
        mesh = o3d.io.read_triangle_mesh(Path(item.path)).remove_duplicated_vertices()
        vertices = np.asarray(mesh.vertices)
        listed = np.genfromtxt(item.mask_path, delimiter=",")[:, :3]
        expected = np.zeros(len(vertices), bool)
        expected[KDTree(vertices).query(listed)[1]] = True
        assert np.array_equal(item.points.numpy(), vertices.astype(np.float32))
        assert item.gt_mask is not None
        assert np.array_equal(item.gt_mask.numpy(), expected)


def test_held_out_clouds_are_read_like_the_others(root: Path) -> None:
    sizes = {len(loaded(root).val_data.untransformed(row).points) for row in range(4)}
    # Sampling the triangles instead would give 100,000.
    assert max(sizes) <= 200


def test_listed_points_label_their_nearest_vertices(
    root: Path, generator: np.random.Generator
) -> None:
    points, mask = dent(surface(generator), generator)
    write_stl(root / "cube/Pointcloud/test/hole/2.stl", points)
    rows = generator.permutation(np.repeat(points[mask], 2, axis=0)) + 1e-5
    truth = root / "cube/Pointcloud/GT/hole/2.txt"
    np.savetxt(truth, np.column_stack([rows, np.full(len(rows), 7)]), delimiter=",", fmt="%.6f")
    items = map(loaded(root).test_data.untransformed, range(5))
    item = next(item for item in items if item.path.endswith("hole/2.stl"))
    assert item.gt_mask is not None
    radii = np.linalg.norm(item.points.numpy() / [1.0, 0.8, 0.6], axis=1)
    assert np.array_equal(item.gt_mask.numpy(), radii < 0.95)


def test_truth_of_another_cloud_is_refused(root: Path) -> None:
    truth = root / "cube/Pointcloud/GT/hole/2.txt"
    np.savetxt(truth, surface(np.random.default_rng(9)) * 40, delimiter=",")
    data = loaded(root).test_data
    with pytest.raises(PointCloudFileError, match=r"hole/2\.txt: does not fit its cloud"):
        [data[row] for row in range(len(data))]


@pytest.mark.parametrize("rows", ["10,1,0,0\n2,1,0,1\n", "2.stl,1,0,1\n10.stl,1,0,0\n"])
def test_objects_are_told_by_name(root: Path, rows: str) -> None:
    (root / "cube/RGB/GT/color/data.csv").write_text(HEADER + rows)
    assert kinds(loaded(root))["color/2.stl"] == "color"


def test_objects_of_other_names_are_told_by_their_number(root: Path) -> None:
    """As the authors do: the rows in order are the clouds in the order of their numbers."""
    (root / "cube/RGB/GT/color/data.csv").write_text(HEADER + "one,1,0,1\ntwo,1,0,0\n\n")
    assert kinds(loaded(root))["color/2.stl"] == "color"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "2,1,0,1\n", "has 1 rows for the 2 clouds in .*color"),
        (HEADER + "2,1,0,1\n10,1,0,yes\n", "has the row '10,1,0,yes'"),
        (HEADER + "2,1\n10,1\n", "has the row '2,1'"),
    ],
)
def test_labels_that_do_not_fit_are_refused(root: Path, text: str, message: str) -> None:
    (root / "cube/RGB/GT/color/data.csv").write_text(text)
    with pytest.raises(PointCloudFileError, match=rf"data\.csv: {message}"):
        loaded(root)


def test_missing_labels_say_what_to_unpack(root: Path) -> None:
    (root / "cube/RGB/GT/color/data.csv").unlink()
    with pytest.raises(DatasetError, match=r"RGB/GT/color/data\.csv is missing.*unpack"):
        loaded(root)


def test_anomalous_cloud_without_truth_is_refused(root: Path) -> None:
    (root / "cube/Pointcloud/GT/hole/2.txt").unlink()
    with pytest.raises(PointCloudFileError, match=r"hole/2\.stl: anomalous, but .*2\.txt is miss"):
        loaded(root)


@pytest.mark.parametrize(
    "given", ["..", ".", "cube", "cube/Pointcloud", "cube/Pointcloud/test", "cube/Pointcloud/GT"]
)
def test_root_a_level_off_is_found(root: Path, given: str) -> None:
    assert loaded(root / given).categories == ["cube"]


def test_folder_names_in_any_case_are_found(root: Path) -> None:
    for old, new in (("Pointcloud/GT", "Pointcloud/gt"), ("Pointcloud", "PointCloud")):
        os.replace(root / "cube" / old, root / "cube" / new)
    assert len(loaded(root).test_data) == 5


def test_fifteen_categories_are_published() -> None:
    assert len(set(CATEGORIES)) == 15


@pytest.mark.parametrize("split", ["train", "test"])
def test_category_without_a_split_is_refused(root: Path, split: str) -> None:
    os.replace(root / "cube/Pointcloud" / split, root / "cube/Pointcloud/elsewhere")
    with pytest.raises(DatasetError, match=rf"no usable \.stl cloud in Pointcloud/{split}"):
        loaded(root)


def test_another_layout_says_what_is_expected(tmp_path: Path) -> None:
    write_stl(tmp_path / "cube/train/0.stl", surface(np.random.default_rng(0)))
    with pytest.raises(DatasetError, match=r"pointcloud/train or pointcloud/test/good.*MulSen_AD"):
        loaded(tmp_path)
