from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.files import replaced, safe_name, unique_stems


def test_namesakes_from_different_folders_keep_apart() -> None:
    paths = ["/d/test/hole/000.pcd", "/d/test/good/000.pcd", "/d/test/good/001.pcd"]
    assert unique_stems(paths) == ["hole_000", "good_000", "001"]


def test_namesakes_in_different_categories_keep_their_short_names() -> None:
    assert unique_stems(["/d/a/x.pcd", "/d/b/x.pcd"], ["a", "b"]) == ["x", "x"]


def test_files_that_differ_in_suffix_or_not_at_all_are_numbered() -> None:
    assert unique_stems(["/d/a.pcd", "/d/a.ply", "/d/a.pcd"]) == ["a", "a-2", "a-3"]


def test_letter_case_alone_does_not_tell_names_apart() -> None:
    names = unique_stems(["/d/A.pcd", "/d/a.pcd"])
    assert len({name.casefold() for name in names}) == 2


@given(
    st.lists(
        st.lists(st.sampled_from(["a", "b", "A", "..", "<x>", "a-2"]), min_size=1, max_size=4),
        max_size=8,
    )
)
@settings(max_examples=80, deadline=None)
def test_names_are_always_unique_and_plain(parts: list[list[str]]) -> None:
    names = unique_stems(["/".join(part) + ".pcd" for part in parts])
    assert len({name.casefold() for name in names}) == len(parts)
    assert all(name == Path(name).name and name not in (".", "..") for name in names)


@pytest.mark.parametrize("text", ["../../etc", "a/b", "<script>", "", "...", "x" * 500, "a\0b"])
def test_no_text_leaves_its_folder(text: str, tmp_path: Path) -> None:
    target = tmp_path / safe_name(text)
    target.write_text("here")
    assert target.resolve().parent == tmp_path.resolve()


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "picture.png"
    with replaced(target) as temporary:
        temporary.write_text("old")

    def fail() -> None:
        with replaced(target) as temporary:
            temporary.write_text("half")
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        fail()
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]
