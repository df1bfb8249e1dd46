import os
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.core.errors import ConfigurationError, DatasetError, PointCloudFileError
from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from tests.support.trees import dent, shapenet_tree, surface, write_pcd, write_truth


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def root(tmp_path: Path, generator: np.random.Generator) -> Path:
    return shapenet_tree(tmp_path / "pcd", generator)


def loaded(root: Path, **arguments: object) -> AnomalyShapeNet:
    module = AnomalyShapeNet(root=root, **arguments)  # type: ignore[arg-type]
    module.setup()
    return module


def stems(module: AnomalyShapeNet) -> list[str]:
    return [Path(path).stem for path in module.test_data.samples.image_path]


def test_whole_tree_is_loaded_with_its_labels(root: Path) -> None:
    module = loaded(root)
    samples = module.test_data.samples
    assert module.categories == ["bowl0", "cup1"]
    assert samples.defect.tolist() == ["bulge", "crak", "good", "good"] * 2
    assert samples.label_index.tolist() == [1, 1, 0, 0] * 2
    assert samples.attrs["task"] == "segmentation"
    assert module.counts["cup1"] == {"train": 3, "val": 16, "test_good": 2, "test_anomalous": 2}


@pytest.mark.parametrize("name", ["goods_template", "positive", "bulge0", "temp", "test"])
def test_name_of_the_root_changes_no_label(
    tmp_path: Path, generator: np.random.Generator, name: str
) -> None:
    module = loaded(shapenet_tree(tmp_path / name, generator))
    assert module.test_data.samples.label_index.tolist() == [1, 1, 0, 0] * 2
    assert set(module.train_data.samples.defect) == {"good"}


def test_masks_mark_the_dent_in_the_clouds_own_order(root: Path) -> None:
    item = loaded(root).test_data[0]
    radii = np.linalg.norm(item.points.numpy() / [1.0, 0.8, 0.6], axis=1)
    assert item.gt_mask is not None
    assert np.array_equal(item.gt_mask.numpy(), radii < 0.95)


@pytest.mark.parametrize(
    ("below", "given"),
    [
        ("Anomaly-ShapeNet-v2/dataset/pcd", ""),
        ("Anomaly-ShapeNet-v2/dataset/pcd", "Anomaly-ShapeNet-v2"),
        ("pcd", "pcd"),
    ],
)
def test_root_above_the_categories_is_found(
    tmp_path: Path, generator: np.random.Generator, below: str, given: str
) -> None:
    shapenet_tree(tmp_path / below, generator)
    assert loaded(tmp_path / given).categories == ["bowl0", "cup1"]


@pytest.mark.parametrize("given", ["bowl0", "bowl0/train", "bowl0/GT"])
def test_root_below_the_categories_loads_the_one_pointed_at(root: Path, given: str) -> None:
    assert loaded(root / given).categories == ["bowl0"]
    assert loaded(root / given, category="cup1").categories == ["cup1"]


@pytest.mark.parametrize(("subset", "categories"), [("40", ["bowl0"]), ("52", ["bowl0", "desk0"])])
def test_subset_decides_about_the_new_categories(
    tmp_path: Path, generator: np.random.Generator, subset: str, categories: list[str]
) -> None:
    shapenet_tree(tmp_path / "dataset" / "pcd", generator, ("bowl0",))
    shapenet_tree(tmp_path / "dataset" / "new_pcd", generator, ("desk0",))
    for given in ("", "dataset", "dataset/pcd"):
        assert loaded(tmp_path / given, subset=subset).categories == categories


def test_irregular_names_of_the_new_categories_are_read(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    folder = shapenet_tree(tmp_path / "new_pcd", generator, ("desk0",)) / "desk0"
    os.replace(folder / "test/desk0_bulge0.pcd", folder / "test/desk_bulge0.pcd")
    os.replace(folder / "GT/desk0_bulge0.txt", folder / "GT/desk_bulge0.txt")
    assert "desk_bulge0" in stems(loaded(tmp_path, subset="52"))


def test_root_with_new_categories_only_asks_for_the_larger_subset(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    shapenet_tree(tmp_path / "new_pcd", generator, ("desk0",))
    with pytest.raises(DatasetError, match="set subset to '52'"):
        loaded(tmp_path)


def test_folder_names_in_any_case_are_found(tmp_path: Path, generator: np.random.Generator) -> None:
    folder = shapenet_tree(tmp_path, generator, ("bowl0",)) / "bowl0"
    for old, new in (("train", "Train"), ("test", "TEST"), ("GT", "gt")):
        os.replace(folder / old, folder / new)
    assert len(loaded(tmp_path).test_data) == 4


@pytest.mark.parametrize("asked", ["microphone0", "phone0", "Phone", "MICROPHONE0", ["phone0"]])
def test_papers_names_find_the_folder(
    tmp_path: Path, generator: np.random.Generator, asked: str | list[str]
) -> None:
    shapenet_tree(tmp_path, generator, ("microphone0", "jar0"))
    module = loaded(tmp_path, category=asked)
    assert module.categories == ["microphone0"]
    assert module.category == "microphone0"


def test_several_categories_make_one_directory_name(root: Path) -> None:
    module = loaded(root, category="cup1, bowl0")
    assert module.category == "cup1+bowl0"
    assert module.categories == ["bowl0", "cup1"]


def test_good_and_anomalous_clouds_share_order_and_precision_unless_read_from_the_truth(
    tmp_path: Path,
) -> None:
    """What a model could cheat with: rounded coordinates, and anomalous rows in one run."""
    generator = np.random.default_rng(8)
    shapenet_tree(tmp_path, generator, ("bowl0",), count=500)
    folder = tmp_path / "bowl0"
    for kind in ("bulge0", "crak0"):
        points, mask = dent(surface(generator, 500), generator)
        write_pcd(folder / "test" / f"bowl0_{kind}.pcd", points)
        rows = np.argsort(~mask, kind="stable")
        truth = folder / "GT" / f"bowl0_{kind}.txt"
        write_truth(truth, points[rows], mask[rows], digits=4)

    def cheats(source: str) -> tuple[list[float], list[float]]:
        data = loaded(tmp_path, geometry_source=source).test_data
        rounded, jumps = [], []
        for item in (data[i] for i in range(len(data))):
            points = item.points.numpy().astype(float)
            rounded.append(float((np.abs(points - points.round(4)) < 1e-7).mean()))
            jumps.append(float(np.linalg.norm(np.diff(points[:20], axis=0), axis=1).mean()))
        return rounded, jumps

    rounded, jumps = cheats("pcd")
    assert max(rounded) < 0.05
    assert min(jumps[:2]) > 0.7 * min(jumps[2:])
    rounded, jumps = cheats("gt")
    assert min(rounded[:2]) > 0.95 > 0.05 > max(rounded[2:])
    assert max(jumps[:2]) < 0.7 * min(jumps[2:])


def test_truth_as_geometry_needs_an_anomalous_row(root: Path) -> None:
    points = surface(np.random.default_rng(0))
    write_truth(root / "bowl0/GT/bowl0_bulge0.txt", points, np.zeros(200, bool))
    with pytest.raises(PointCloudFileError, match=r"bowl0_bulge0\.txt: no point is labelled"):
        loaded(root, geometry_source="gt").test_data[0]


def test_missing_root_says_what_to_download(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"does not exist.*Anomaly-ShapeNet-v2\.rar"):
        loaded(tmp_path / "datasets")


def test_named_category_that_is_missing_lists_what_is_there(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"'tap0' belongs to the dataset.*bowl0, cup1"):
        loaded(root, category=["bowl0", "tap0"])


def test_misspelt_category_gets_a_proposal(root: Path) -> None:
    with pytest.raises(DatasetError, match="did you mean 'cup1'"):
        loaded(root, category="cpu1")


def test_anomalous_cloud_without_truth_is_refused(root: Path) -> None:
    (root / "cup1/GT/cup1_crak0.txt").unlink()
    with pytest.raises(PointCloudFileError, match=r"cup1_crak0\.pcd: anomalous, but .*txt is miss"):
        loaded(root)


def test_missing_truth_folder_is_refused(tmp_path: Path, generator: np.random.Generator) -> None:
    root = shapenet_tree(tmp_path, generator, ("cup1",))
    os.replace(root / "cup1/GT", root / "cup1/labels")
    with pytest.raises(PointCloudFileError, match=r"ground truth .*GT/cup1_bulge0\.txt is missing"):
        loaded(root)


def test_truth_without_a_positive_row_names_the_file(root: Path) -> None:
    points = surface(np.random.default_rng(0))
    write_truth(root / "bowl0/GT/bowl0_bulge0.txt", points, np.zeros(200, bool))
    with pytest.raises(PointCloudFileError, match=r"GT/bowl0_bulge0\.txt: no point is labelled"):
        loaded(root).test_data[0]


def test_truth_with_blanks_for_commas_is_read(root: Path) -> None:
    path = root / "bowl0/GT/bowl0_bulge0.txt"
    expected = loaded(root).test_data[0].gt_mask
    path.write_text(path.read_text().replace(",", " "))
    found = loaded(root).test_data[0].gt_mask
    assert found is not None
    assert found.equal(expected)


def test_truth_with_a_strange_delimiter_is_never_an_empty_mask(root: Path) -> None:
    path = root / "bowl0/GT/bowl0_bulge0.txt"
    path.write_text(path.read_text().replace(",", "|"))
    with pytest.raises(PointCloudFileError, match=r"bowl0_bulge0\.txt"):
        loaded(root).test_data[0]


def test_swapped_truth_files_are_refused(root: Path) -> None:
    folder = root / "bowl0/GT"
    os.replace(folder / "bowl0_crak0.txt", folder / "bowl0_bulge0.txt")
    (folder / "bowl0_crak0.txt").write_bytes((folder / "bowl0_bulge0.txt").read_bytes())
    with pytest.raises(PointCloudFileError, match="does not fit its cloud"):
        loaded(root).test_data[0]


def test_anomalous_cloud_in_train_is_refused(root: Path) -> None:
    os.replace(root / "bowl0/test/bowl0_bulge0.pcd", root / "bowl0/train/bowl0_bulge0.pcd")
    with pytest.raises(PointCloudFileError, match="named a bulge and lies among the normal"):
        loaded(root)


def test_cloud_with_a_meaningless_name_is_refused(root: Path) -> None:
    os.replace(root / "bowl0/test/bowl0_bulge0.pcd", root / "bowl0/test/scan7.pcd")
    with pytest.raises(PointCloudFileError, match=r"scan7\.pcd: the file name does not say"):
        loaded(root)


@pytest.mark.parametrize("split", ["train", "test"])
def test_category_without_one_of_its_splits_is_refused(root: Path, split: str) -> None:
    for path in (root / "cup1" / split).iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=rf"cup1 has no usable \.pcd cloud in a {split} folder"):
        loaded(root, category="cup1")


def test_truncated_cloud_names_the_file(root: Path) -> None:
    path = root / "bowl0/test/bowl0_bulge0.pcd"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(PointCloudFileError, match=r"bowl0_bulge0\.pcd"):
        loaded(root).test_data[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"subset": "41"}, "subset must be '40' or '52', not '41'"),
        ({"geometry_source": "obj"}, "geometry_source must be 'pcd' or 'gt', not 'obj'"),
    ],
)
def test_unusable_arguments_are_refused(
    root: Path, arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        AnomalyShapeNet(root=root, **arguments)  # type: ignore[arg-type]


def test_subset_may_be_a_number(root: Path) -> None:
    assert loaded(root, subset=40).subset == "40"
