"""What was typed becomes the files that are meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from plane_anomalib.core.errors import DatasetError
from plane_anomalib.inspection.inputs import find_clouds, others_in_words, passed_by


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.ply", "a.pcd", "notes.md", "sub/a.ply", "gt/a.txt", ".hidden/c.ply"):
        (tmp_path / "scans" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "scans" / name).touch()
    monkeypatch.chdir(tmp_path)
    return Path("scans")


def found(*given: str, without: tuple[Path, ...] = ()) -> list[str]:
    return [str(source.path) for source in find_clouds(given, without=without)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("scans/b.ply",), ["scans/b.ply"]),
        (("scans",), ["scans/a.pcd", "scans/b.ply", "scans/sub/a.ply"]),
        (("scans/*.ply",), ["scans/b.ply"]),
        (("scans/**/*.ply",), ["scans/b.ply", "scans/sub/a.ply"]),
        (("scans/**",), ["scans/a.pcd", "scans/b.ply", "scans/sub/a.ply"]),
        (("*/b.*",), ["scans/b.ply"]),
        (("scans/s*",), ["scans/sub/a.ply"]),
        (("scans/sub", "scans/b.ply", "scans/*.ply"), ["scans/sub/a.ply", "scans/b.ply"]),
    ],
)
def test_files_folders_and_patterns(
    scans: Path, given: tuple[str, ...], expected: list[str]
) -> None:
    assert found(*given) == expected


def test_a_list_keeps_its_order_and_is_relative_to_its_folder(scans: Path) -> None:
    lines = "# today's\n\nsub/a.ply\n  b.ply  \ngone.ply\n*.pcd\n"
    (scans / "today.txt").write_text(lines)
    expected = ["scans/sub/a.ply", "scans/b.ply", "scans/gone.ply", "scans/a.pcd"]
    assert found("@scans/today.txt") == expected


def test_names_are_unique_and_safe(scans: Path) -> None:
    (scans / "a b!.ply").touch()
    names = {str(source.path): source.name for source in find_clouds(["scans"])}
    assert names == {
        "scans/a b!.ply": "a_b_",
        "scans/a.pcd": "scans_a",
        "scans/b.ply": "b",
        "scans/sub/a.ply": "sub_a",
    }


def test_links_out_of_a_folder_are_not_followed_and_a_named_link_is(
    scans: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.ply").touch()
    (scans / "link.ply").symlink_to(tmp_path / "secret.ply")
    (scans / "away").symlink_to(tmp_path, target_is_directory=True)
    assert "scans/link.ply" not in found("scans")
    assert found("scans/*.ply") == ["scans/b.ply"]
    with pytest.raises(DatasetError, match="no cloud or mesh matches"):
        find_clouds(["scans/*/secret.ply"])
    assert found("scans/link.ply") == ["scans/link.ply"]


def test_earlier_results_are_no_scans_unless_one_looks_into_them(scans: Path) -> None:
    own = scans / "out" / "clouds"
    own.mkdir(parents=True)
    (own / "b.npz").touch()
    assert "scans/out/clouds/b.npz" not in found("scans", without=(own,))
    assert "scans/out/clouds/b.npz" not in found("scans/**/*", without=(own,))
    assert found("scans/out/clouds", without=(own,)) == ["scans/out/clouds/b.npz"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            "scans/b.pyl",
            r"scans/b.pyl: there is no such file or folder: did you mean scans/b.ply\?",
        ),
        ("scan", r"scan: there is no such file or folder: did you mean scans\?"),
        ("scans/zzzzzzz", "no such file or folder; .*scans holds a.pcd, b.ply"),
        ("nowhere/near/b.ply", "no such file or folder; the nearest folder that exists is /"),
        ("scans/*.pyl", r"scans/\*.pyl: no cloud or mesh matches; scans holds a.pcd, b.ply"),
        ("docs", "docs: holds no cloud or mesh .*; docs holds readme.md"),
        ("@scans/todya.txt", r"the list cannot be read \(No such file or directory\)"),
        ("@scans/empty.txt", "the list is empty; write one path per line"),
    ],
)
def test_nothing_found_is_answered_with_what_is_there(
    scans: Path, given: str, sentence: str
) -> None:
    Path("docs").mkdir()
    Path("docs/readme.md").touch()
    (scans / "empty.txt").write_text("# nothing\n")
    with pytest.raises(DatasetError, match=sentence):
        find_clouds([given])


def test_ground_truth_is_found_by_stem(scans: Path) -> None:
    sources = find_clouds(["scans"], truth=scans / "gt")
    assert [source.truth for source in sources] == [scans / "gt/a.txt", None, scans / "gt/a.txt"]
    with pytest.raises(DatasetError, match="no such folder of ground truth: did you mean scans/gt"):
        find_clouds(["scans"], truth=scans / "gtt")


def test_scans_that_are_not_read_are_meant_and_other_files_are_counted(tmp_path: Path) -> None:
    for name in (
        "a.xyz",
        "b.E57",
        "c.las",
        "d.asc",
        "e.pdf",
        "f.step",
        "g.PDF",
        "ground_truth/x.doc",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1 2 3\n")
    names = [source.path.name for source in find_clouds([str(tmp_path)])]
    assert names == ["a.xyz", "b.E57", "c.las", "d.asc"]
    assert passed_by([str(tmp_path)]) == {".pdf": 2, ".step": 1}
    assert passed_by([str(tmp_path / "a.xyz")]) == {}
    said = others_in_words({".pdf": 2, ".step": 1})
    assert said == "3 files that are no scans were passed by: 2 .pdf, 1 .step."
