import os
from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.core.errors import DatasetError, PointCloudFileError
from plane_anomalib.formats.folders import (
    OTHER_SCANS,
    child_directory,
    defect_from_stem,
    find_collections,
    list_categories,
    list_files,
    only_collection,
)
from plane_anomalib.formats.folders import PCD_LAYOUT as PCD
from plane_anomalib.formats.io import check_suffix
from tests.support.trees import shapenet_tree, surface, write_pcd


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(
    ("name", "defect"),
    [
        ("bowl0_positive14.pcd", "good"),
        ("bowl0_template3.pcd", "good"),
        ("duck/12_good_cut.pcd", "good"),
        ("12_good_copy.pcd", "good"),
        ("12_prototype.pcd", "good"),
        ("62_sink_cut.pcd", "sink"),
        ("62_bulges_copy2.pcd", "bulges"),
        ("cap0_crak3.pcd", "crak"),
        ("desk_bulge0.pcd", "bulge"),
        ("/data/goods_template/good/bowl0_hole1.pcd", "hole"),
        ("/data/bulge/bowl0_positive1.pcd", "good"),
        ("positive_thing_dent2.PCD", "dent"),
    ],
)
def test_kind_comes_from_the_file_name_alone(name: str, defect: str) -> None:
    assert defect_from_stem(Path(name)) == defect


@pytest.mark.parametrize("name", ["bowl0.pcd", "bowl_7.pcd", "good.pcd", "_cut.pcd"])
def test_name_without_a_kind_is_refused(name: str) -> None:
    with pytest.raises(PointCloudFileError, match="does not say whether the cloud is good"):
        defect_from_stem(Path(name))


@pytest.mark.parametrize("below", ["", "pcd", "dataset/pcd", "Anomaly-ShapeNet-v2/dataset/pcd"])
def test_collection_is_found_up_to_three_levels_down(
    tmp_path: Path, generator: np.random.Generator, below: str
) -> None:
    shapenet_tree(tmp_path / below, generator, templates=1, count=20)
    found, pointed_at = find_collections(tmp_path, PCD)
    assert (found, pointed_at) == ([tmp_path / below], None)


@pytest.mark.parametrize("inner", ["", "train", "test", "GT"])
def test_root_that_is_too_low_names_its_category(
    tmp_path: Path, generator: np.random.Generator, inner: str
) -> None:
    shapenet_tree(tmp_path, generator, templates=1, count=20)
    found, pointed_at = find_collections(tmp_path / "bowl0" / inner, PCD)
    assert (found, pointed_at) == ([tmp_path], "bowl0")


def test_relative_root_works(
    tmp_path: Path, generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapenet_tree(tmp_path, generator, templates=1, count=20)
    monkeypatch.chdir(tmp_path / "cup1" / "train")
    assert find_collections(Path(), PCD) == ([tmp_path], "cup1")


def test_folders_without_clouds_are_no_categories(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    shapenet_tree(tmp_path / "dataset" / "pcd", generator, templates=1, count=20)
    mesh = tmp_path / "dataset" / "obj" / "bowl0" / "train" / "bowl0_template0.obj"
    mesh.parent.mkdir(parents=True)
    mesh.write_text("v 0 0 0\n")
    assert find_collections(tmp_path, PCD)[0] == [tmp_path / "dataset" / "pcd"]
    assert list(list_categories(tmp_path / "dataset" / "pcd", PCD)) == ["bowl0", "cup1"]


def test_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"the dataset root .*nowhere does not exist"):
        find_collections(tmp_path / "nowhere", PCD)


def test_root_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rar").touch()
    with pytest.raises(DatasetError, match="is a file, not a folder"):
        find_collections(tmp_path / "a.rar", PCD)


def test_root_with_something_else_lists_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "holidays").mkdir()
    with pytest.raises(DatasetError, match=r"no category with \.pcd clouds .*holidays"):
        find_collections(tmp_path, PCD)


def test_several_copies_are_refused(tmp_path: Path, generator: np.random.Generator) -> None:
    for name in ("v1", "v2"):
        shapenet_tree(tmp_path / name, generator, ("bowl0",), templates=1, count=20)
    found, _ = find_collections(tmp_path, PCD)
    with pytest.raises(DatasetError, match=r"several copies .*v1, .*v2"):
        only_collection(found, "pcd", tmp_path)


def test_folders_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    for name in ("GT", "gt"):
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="'GT' and 'gt'; keep one"):
        child_directory(tmp_path, "gt")


def test_listing_is_sorted_and_without_hidden_files(tmp_path: Path) -> None:
    points = surface(np.random.default_rng(0), 5)
    for name in ("b_good.pcd", "a_good.PCD", "._a_good.pcd", "notes.txt"):
        write_pcd(tmp_path / name, points)
    (tmp_path / "folder.pcd").mkdir()
    names = [path.name for path in list_files(tmp_path, PCD.suffixes, inside=tmp_path)]
    assert names == ["a_good.PCD", "b_good.pcd"]


def test_links_out_of_the_root_are_not_followed(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    outside = shapenet_tree(tmp_path / "elsewhere", generator, templates=1, count=20)
    root = shapenet_tree(tmp_path / "root", generator, ("cap0",), templates=1, count=20)
    os.symlink(outside / "bowl0", root / "bowl0")
    secret = write_pcd(tmp_path / "secret_good.pcd", surface(generator, 5))
    train = root / "cap0" / "train"
    os.symlink(secret, train / "secret_good.pcd")
    os.symlink(train / "cap0_template0.pcd", train / "cap0_template9.pcd")
    assert list(list_categories(root, PCD)) == ["cap0"]
    names = [path.name for path in list_files(train, PCD.suffixes, inside=root)]
    assert names == ["cap0_template0.pcd", "cap0_template9.pcd"]


def test_root_of_links_only_says_why_it_looks_empty(
    tmp_path: Path, generator: np.random.Generator
) -> None:
    outside = shapenet_tree(tmp_path / "elsewhere", generator, templates=1, count=20)
    (tmp_path / "root").mkdir()
    os.symlink(outside / "bowl0", tmp_path / "root" / "bowl0")
    with pytest.raises(DatasetError, match="1 links that lead out of it are not followed"):
        find_collections(tmp_path / "root", PCD)


@pytest.mark.parametrize("suffix", sorted(OTHER_SCANS))
def test_a_kind_that_is_not_read_says_what_to_do(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"a{suffix.upper()}"
    file.write_bytes(b"\0\1binary")
    with pytest.raises(PointCloudFileError, match=r"is .* \((save|export)") as caught:
        check_suffix(file)
    assert "did you mean" not in str(caught.value)
