"""The files: same bytes for the same seed, Anomaly-ShapeNet's layout, never a mixture."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, DatasetError
from plane_anomalib.data.settings import ProceduralShapesSettings
from plane_anomalib.generation.defects.profiles import KINDS
from plane_anomalib.generation.manifests import MANIFEST, SHAPENET_KINDS
from plane_anomalib.generation.procedural_shapes import ensure_dataset

NAMES = ["beam0", "wrench0", "propeller0"]
SPEC = ProceduralShapesSettings(data_seed=3, num_points=2000).spec()
SMALL = ProceduralShapesSettings(num_points=1000, num_good=1).spec()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ensure_dataset(tmp_path_factory.mktemp("made") / "shapes", SPEC, NAMES)


def read_binary_pcd(path: Path) -> NDArray[np.float32]:
    """A reader of its own for the one form that is written."""
    header, _, body = path.read_bytes().partition(b"DATA binary\n")
    assert re.search(rb"FIELDS x y z\s", header)
    assert re.search(rb"SIZE 4 4 4\s", header)
    count = int(re.search(rb"POINTS (\d+)", header).group(1))  # type: ignore[union-attr]
    return np.frombuffer(body, "<f4", count * 3).reshape(-1, 3)


def read_truth(path: Path) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rows = np.loadtxt(path, delimiter=",")
    assert rows.shape[1] == 4
    assert set(np.unique(rows[:, 3])) == {0.0, 1.0}
    return rows[:, :3], rows[:, 3] == 1


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_the_layout_is_that_of_the_benchmark(root: Path) -> None:
    for name in NAMES:
        train = {p.name for p in (root / name / "train").iterdir()}
        test = {p.stem for p in (root / name / "test").iterdir()}
        defective = {f"{name}_{kind}0" for kind in SHAPENET_KINDS}
        assert train == {f"{name}_template{k}.pcd" for k in range(4)}
        assert test == {f"{name}_positive{k}" for k in range(4)} | defective
        assert {p.name for p in (root / name / "GT").iterdir()} == {f"{d}.txt" for d in defective}
    # The seven kinds by the names that the real files bear.
    assert set(SHAPENET_KINDS) == {
        "bulge",
        "concavity",
        "hole",
        "broken",
        "scratch",
        "crak",
        "bending",
    }
    assert not list(root.glob(".*"))


def test_clouds_have_the_wanted_size_and_no_point_of_a_template(root: Path) -> None:
    for name in NAMES:
        seen: set[tuple[float, ...]] = set()
        for path in sorted((root / name).rglob("*.pcd")):
            points = read_binary_pcd(path)
            assert 0.7 * 2000 < len(points) < 1.3 * 2000
            assert np.isfinite(points).all()
            assert 0.95 < np.ptp(points, axis=0).max() < 1.15
            rows = set(map(tuple, points.tolist()))
            assert not seen & rows
            seen |= rows


def test_ground_truth_holds_the_clouds_points_in_another_order(root: Path) -> None:
    for path in root.rglob("GT/*.txt"):
        points = read_binary_pcd(path.parents[1] / "test" / f"{path.stem}.pcd").astype(np.float64)
        truth, labels = read_truth(path)
        assert labels.any()
        assert truth.shape == points.shape
        assert np.mean(np.linalg.norm(truth - points, axis=1) > 0.02) > 0.9
        by_rows, by_points = np.lexsort(truth.T), np.lexsort(points.T)
        np.testing.assert_allclose(truth[by_rows], points[by_points], atol=1e-6)


def test_anomalous_points_are_not_together_in_the_file(root: Path) -> None:
    changes, expected = 0, 0.0
    for path in root.rglob("GT/*.txt"):
        labels = read_truth(path)[1]
        changes += int(np.sum(labels[1:] != labels[:-1]))
        expected += 2 * labels.mean() * (1 - labels.mean()) * (len(labels) - 1)
    assert changes == pytest.approx(expected, rel=0.2)


def test_shares_lie_near_the_medians_of_the_real_data(root: Path) -> None:
    for kind, defect in SHAPENET_KINDS.items():
        usual = KINDS[defect].usual_share
        shares = [read_truth(p)[1].mean() for p in root.rglob(f"GT/*_{kind}0.txt")]
        assert len(shares) == len(NAMES)
        assert usual / 2.5 < np.median(shares) < usual * 2.5, kind
        assert all(usual / 4 < s < usual * 4 for s in shares), kind


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_whatever_else_is_made(
    root: Path, tmp_path: Path
) -> None:
    alone = ensure_dataset(tmp_path / "again", SPEC, ["wrench0"])

    assert files_under(alone / "wrench0") == files_under(root / "wrench0")
    assert (alone / MANIFEST).read_bytes() == (root / MANIFEST).read_bytes()
    assert json.loads((root / MANIFEST).read_text())["seed"] == 3


@pytest.mark.slow
def test_another_specification_goes_beside_and_leaves_the_first_alone(tmp_path: Path) -> None:
    first = ensure_dataset(tmp_path / "shapes", SMALL, ["wrench0"])
    before = files_under(first)
    other = replace(SMALL, seed=1)

    second = ensure_dataset(tmp_path / "shapes", other, ["wrench0"])

    assert second == tmp_path / f"shapes-{other.digest()}"
    assert files_under(first) == before
    assert files_under(second / "wrench0").keys() == files_under(first / "wrench0").keys()
    assert not set(files_under(second / "wrench0").values()) & set(before.values())
    assert ensure_dataset(tmp_path / "shapes", SMALL, ["wrench0"]) == first


def test_a_folder_of_something_else_is_never_written_to(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    (root / "notes.txt").write_text("keep me")

    home = ensure_dataset(root, SMALL, [])

    assert home.name == f"mine-{SMALL.digest()}"
    assert files_under(root) == {"notes.txt": b"keep me"}

    (home / MANIFEST).write_text("{broken")
    with pytest.raises(DatasetError, match="something else"):
        ensure_dataset(root, SMALL, [])


def test_a_root_below_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(DatasetError, match="cannot be written"):
        ensure_dataset(tmp_path / "file" / "shapes", SMALL, ["wrench0"])


@pytest.mark.slow
def test_two_at_once_make_one_complete_dataset(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        homes = list(
            pool.map(lambda _: ensure_dataset(tmp_path / "shapes", SMALL, ["wrench0"]), range(2))
        )

    assert homes == [tmp_path / "shapes"] * 2
    assert {p.name for p in tmp_path.iterdir()} == {"shapes"}
    assert {p.name for p in homes[0].iterdir()} == {"wrench0", MANIFEST}
    assert len(list(homes[0].rglob("*.pcd"))) == 4 + 1 + len(SHAPENET_KINDS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"num_points": 999},
        {"num_points": 2e4},
        {"num_good": 0},
        {"num_per_defect": True},
        {"noise": 0.5},
        {"variation": float("nan")},
    ],
)
def test_a_specification_that_cannot_work_names_the_argument(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        replace(SPEC, **wrong)
