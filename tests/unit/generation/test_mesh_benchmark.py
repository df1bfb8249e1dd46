"""The files: loadable, the same bytes again, described by manifests, never a mixture."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError, DatasetError, PointCloudFileError
from plane_anomalib.formats.io import read_labelled_points, read_points
from plane_anomalib.generation.defects.profiles import KINDS
from plane_anomalib.generation.manifests import SHAPENET_KINDS, MeshSpec
from plane_anomalib.generation.mesh_benchmark import make_benchmark
from plane_anomalib.generation.scans import Deviation
from tests.support.meshes import angle_bracket, ball, block, off_block, off_ring, ring, save

pytestmark = pytest.mark.slow

SMALL = {"num_points": 1500, "template_points": 1500, "num_good": 2, "num_per_defect": 1}
WHOLE = MeshSpec.create("anomaly-shapenet", seed=4, resolution=80, **SMALL)
SIDES = MeshSpec.create("real3d-ad", seed=4, resolution=80, **SMALL)
QUICK = MeshSpec.create(
    "real3d-ad", resolution=64, num_templates=2, **SMALL | {"num_points": 1000, "num_good": 1}
)


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("meshes")
    save(block(), folder / "block 1.stl")
    save(ring(), folder / "ring.ply")
    (folder / "notes.txt").write_text("not a mesh")
    return folder


@pytest.fixture(scope="module")
def whole(meshes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "whole"
    assert make_benchmark(meshes, root, WHOLE) == ["block_1", "ring"]
    return root


@pytest.fixture(scope="module")
def sides(meshes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made") / "sides"
    make_benchmark(meshes, root, SIDES)
    return root


def files_under(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def described(folder: Path) -> dict[str, dict[str, object]]:
    clouds: dict[str, dict[str, object]] = json.loads((folder / "manifest.json").read_text())[
        "clouds"
    ]
    return clouds


def in_object(points: NDArray[np.float64], facts: dict[str, object]) -> NDArray[np.float64]:
    """Undo a scan's pose and scale."""
    pose = np.array(facts["object_to_scan"])
    return np.asarray((points - pose[:3, 3]) @ pose[:3, :3] / 30.0)


def test_the_layouts_are_those_of_the_benchmarks(whole: Path, sides: Path) -> None:
    made = {str(p.relative_to(whole / "ring")) for p in (whole / "ring").rglob("*.*")}
    tests = {f"test/ring_{kind}0.pcd" for kind in SHAPENET_KINDS} | {
        f"test/ring_positive{k}.pcd" for k in range(2)
    }
    truth = {f"GT/ring_{kind}0.txt" for kind in SHAPENET_KINDS}
    train = {f"train/ring_template{k}.pcd" for k in range(4)}
    assert made == tests | truth | train | {"manifest.json"}

    made = {str(p.relative_to(sides / "ring")) for p in (sides / "ring").rglob("*.*")}
    train = {f"train/{k}_template.pcd" for k in range(4)}
    tests = {"4_good", "5_good", "6_bulge", "7_sink"}
    assert made == train | {f"test/{t}.pcd" for t in tests} | {
        "gt/6_bulge.txt",
        "gt/7_sink.txt",
        "manifest.json",
    }
    assert (sides / "ring/gt/6_bulge.txt").read_text().splitlines()[0].count(" ") == 3


def test_good_clouds_stay_within_deviation_and_noise_of_the_mesh(whole: Path, sides: Path) -> None:
    tolerance = Deviation.largest(WHOLE.variation) + 7 * WHOLE.noise
    off = {"block_1": off_block, "ring": off_ring}
    for name, distance in off.items():
        for file, facts in described(whole / name).items():
            if facts["defect"] == "good":
                away = np.abs(distance(read_points(whole / name / file).points.astype(float)))
                assert 0.2 * WHOLE.noise < away.mean()
                assert away.max() < tolerance
        for file, facts in described(sides / name).items():
            points = read_points(sides / name / file).points.astype(float)
            if file.startswith("test") and facts["defect"] == "good":
                assert np.abs(distance(in_object(points, facts))).max() < tolerance
            elif file.startswith("train"):
                assert np.abs(distance(points / 30)).max() < tolerance


def test_no_two_specimens_are_alike(whole: Path) -> None:
    wide = [
        np.ptp(read_points(f).points, axis=0)
        for f in sorted((whole / "block_1").rglob("*template*.pcd"))
    ]
    assert np.ptp(wide, axis=0).max() > 0.5 * WHOLE.variation
    assert np.ptp(wide, axis=0).max() < 2 * Deviation.largest(WHOLE.variation) + 0.01


@pytest.mark.parametrize("size", [0.4, 2.0])
def test_defects_are_of_the_wanted_size(size: float, tmp_path: Path) -> None:
    (tmp_path / "meshes").mkdir()
    save(block(), tmp_path / "meshes/block.stl")
    few = SMALL | {"num_good": 1, "num_templates": 2}
    spec = MeshSpec.create("anomaly-shapenet", resolution=64, defect_size=size, **few)
    make_benchmark(tmp_path / "meshes", tmp_path / "made", spec)
    shares = {
        str(facts["defect"]): float(str(facts["anomalous_share"]))
        for facts in described(tmp_path / "made/block").values()
        if facts["defect"] != "good"
    }
    # Clouds of 1,500 points hold few of a scratch; half of the kinds have plenty.
    ratios = [
        share / (size * KINDS[SHAPENET_KINDS[kind]].usual_share) for kind, share in shares.items()
    ]
    assert 0.4 < np.median(ratios) < 2.5


def test_one_sided_tests_show_one_side_and_lie_anyhow(sides: Path) -> None:
    rotations = []
    for file, facts in described(sides / "block_1").items():
        points = read_points(sides / "block_1" / file).points.astype(float)
        if file.startswith("train"):
            assert "object_to_scan" not in facts
            assert set(_faces(points / 30)) == {0, 1, 2, 3, 4, 5}
            continue
        rotations.append(np.array(facts["object_to_scan"])[:3, :3])
        shown = _faces(in_object(points, facts))
        # Of two opposite faces a scanner sees one.
        assert 1 <= len(shown) <= 3, (file, shown)
        assert len({face % 3 for face in shown}) == len(shown)
    angles = [np.trace(a.T @ b) for a in rotations for b in rotations if a is not b]
    assert np.max(angles) < 2.99


def _faces(points: NDArray[np.float64]) -> list[int]:
    """Faces of the block with 2 % of the points or more: 0 to 2 positive, 3 to 5 negative."""
    half = np.array([0.5, 0.35, 0.25])
    distance = np.concatenate([half - points, half + points], axis=1)
    counts = np.bincount(distance.argmin(axis=1), minlength=6)
    return np.flatnonzero(counts > 0.02 * len(points)).tolist()


def test_manifests_say_what_was_made(whole: Path, meshes: Path) -> None:
    root = json.loads((whole / "manifest.json").read_text())
    assert (root["seed"], root["layout"], root["version"]) == (4, "anomaly-shapenet", 1)
    made = json.loads((whole / "block_1/manifest.json").read_text())
    assert made["mesh"]["file"] == "block 1.stl"
    assert len(made["mesh"]["sha256"]) == 64
    assert str(meshes) not in (whole / "block_1/manifest.json").read_text()
    for file, facts in made["clouds"].items():
        path = whole / "block_1" / file
        assert facts["points"] == len(read_points(path).points)
        if facts["defect"] == "good":
            assert facts["anomalous_share"] == 0
        else:
            truth = read_labelled_points(whole / "block_1/GT" / f"{path.stem}.txt")
            assert truth.labels is not None
            assert facts["anomalous_share"] == pytest.approx(truth.labels.mean())


def test_the_loaders_of_the_benchmarks_read_them(whole: Path, sides: Path) -> None:
    from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
    from plane_anomalib.data.real3d_ad import Real3DAD

    for data in (AnomalyShapeNet(root=whole), Real3DAD(root=sides)):
        data.setup()
        assert data.categories == ["block_1", "ring"]
        for category, counts in data.counts.items():
            defects = 7 if isinstance(data, AnomalyShapeNet) else 2
            assert (counts["test_good"], counts["test_anomalous"]) == (2, defects), category
        for index in range(len(data.test_data)):
            item = data.test_data[index]
            assert bool(item.gt_mask.any()) == bool(item.gt_label)


def test_the_same_seed_gives_the_same_bytes_whatever_else_is_made(
    whole: Path, meshes: Path, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one/ring.ply").write_bytes((meshes / "ring.ply").read_bytes())

    make_benchmark(tmp_path / "one", tmp_path / "again", WHOLE)

    assert files_under(tmp_path / "again/ring") == files_under(whole / "ring")


def test_a_second_run_makes_only_what_is_missing_also_in_several_processes(
    tmp_path: Path,
) -> None:
    folder, root = tmp_path / "meshes", tmp_path / "made"
    save(block(), folder / "a.stl")
    said: list[str] = []
    make_benchmark(folder, root, QUICK, report=said.append)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    save(block(), folder / "b.stl")
    save(angle_bracket(), folder / "c.stl")

    names = make_benchmark(folder, root, QUICK, processes=2, report=said.append)

    assert names == ["a", "b", "c"]
    assert all(path.stat().st_mtime_ns == time for path, time in before.items() if path != root)
    assert sum("templates" in line for line in said) == 3
    assert "1 of 3 categories are there already" in said
    assert {p.name for p in root.iterdir()} == {"a", "b", "c", "manifest.json"}


def test_a_mesh_that_fails_leaves_no_half_category(tmp_path: Path) -> None:
    mesh = ball()
    mesh.update_faces(mesh.triangles_center[:, 2] < 0.4)
    save(mesh, tmp_path / "meshes/open.stl")

    with pytest.raises(PointCloudFileError, match="not a closed mesh"):
        make_benchmark(tmp_path / "meshes", tmp_path / "made", QUICK)

    assert {p.name for p in (tmp_path / "made").iterdir()} == {"manifest.json"}


def test_roots_and_categories_of_something_else_are_never_touched(
    whole: Path, meshes: Path, tmp_path: Path
) -> None:
    before = files_under(whole)
    other = MeshSpec.create("anomaly-shapenet", seed=5, resolution=80, **SMALL)
    with pytest.raises(DatasetError, match="made with seed 4"):
        make_benchmark(meshes, whole, other)
    assert files_under(whole) == before

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep me")
    with pytest.raises(DatasetError, match="holds something else"):
        make_benchmark(meshes, tmp_path / "mine", WHOLE)
    assert files_under(tmp_path / "mine") == {"notes.txt": b"keep me"}

    save(ring(), tmp_path / "changed/block 1.stl")
    with pytest.raises(DatasetError, match="was not made from"):
        make_benchmark(tmp_path / "changed", whole, WHOLE)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a b.stl", "a-b.stl", "a_b.stl"], "give the same category a_b"),
        (["test.stl"], "cannot be the name"),
        (["chair0.stl"], "'chair0' belongs to the twelve later"),
        (["scan.pcd"], "holds point clouds such as scan.pcd, but a benchmark is made from closed"),
        ([], "holds no mesh"),
    ],
)
def test_folders_that_cannot_become_a_benchmark_say_why(
    names: list[str], sentence: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).write_text("never read")

    with pytest.raises((ConfigurationError, DatasetError), match=sentence):
        make_benchmark(tmp_path, tmp_path / "made", WHOLE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"num_points": 10},
        {"num_templates": 1},
        {"noise": 0.5},
        {"variation": float("nan")},
        {"extent": 0.0},
        {"resolution": 4000},
        {"defect_size": 0.01},
    ],
)
def test_a_specification_that_cannot_work_names_the_argument(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        MeshSpec.create("real3d-ad", **wrong)


def test_a_misspelt_layout_is_answered_with_the_right_one() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean real3d-ad"):
        MeshSpec.create("real3dad")
