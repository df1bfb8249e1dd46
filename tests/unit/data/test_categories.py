import pytest

from plane_anomalib.core.errors import ConfigurationError, DatasetError
from plane_anomalib.data.categories import (
    canonical,
    category_label,
    parse_categories,
    select_categories,
)
from plane_anomalib.formats.folders import CATEGORIES_40, CATEGORIES_NEW


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("all", ["all"]),
        ("ALL", ["all"]),
        (["bowl0", "all"], ["all"]),
        ("bowl0", ["bowl0"]),
        ("bowl0, cup1,bowl0", ["bowl0", "cup1"]),
        ("[bowl0, 'cup1']", ["bowl0", "cup1"]),
        (["cup1", "bowl0"], ["cup1", "bowl0"]),
        (("cup1",), ["cup1"]),
    ],
)
def test_every_way_of_writing_categories_is_understood(value: object, names: list[str]) -> None:
    assert parse_categories(value) == names


def test_list_of_a_configuration_file_is_understood() -> None:
    from omegaconf import OmegaConf

    assert parse_categories(OmegaConf.create(["bowl0", "cup1"])) == ["bowl0", "cup1"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "category is empty"),
        ([], "category is empty"),
        ("bowl0,,cup1", "category is empty or has an empty name"),
        (7, "must be 'all', a name or a list of names"),
        ([1, 2], "category must hold names"),
        ("pcd/bowl0", "is a path"),
        ("..", "is a path"),
    ],
)
def test_unusable_categories_are_refused(value: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        parse_categories(value)


def test_label_is_a_short_directory_name_and_tells_lists_apart() -> None:
    assert category_label(["bowl1", "cup1"]) == "bowl1+cup1"
    long = category_label(CATEGORIES_40)
    other = category_label(CATEGORIES_40[:-1])
    assert len(long) < 100
    assert "/" not in long
    assert long != other


@pytest.mark.parametrize(
    ("name", "official"),
    [("jar", "jar0"), ("Phone0", "microphone0"), ("BOWL0", "bowl0"), ("bowl", "bowl"), ("x", "x")],
)
def test_papers_names_are_understood(name: str, official: str) -> None:
    assert canonical(name, {"phone0": "microphone0"}, CATEGORIES_40) == official


def test_official_lists_have_the_published_sizes() -> None:
    assert len(set(CATEGORIES_40)) == 40
    assert len({*CATEGORIES_40, *CATEGORIES_NEW}) == 52


def test_all_takes_what_is_there() -> None:
    assert select_categories(["all"], ["cup1", "bowl0"], where="x") == ["bowl0", "cup1"]


def test_unknown_category_is_refused_with_a_proposal() -> None:
    with pytest.raises(DatasetError, match=r"'bowl9' is not in /d, .*bowl0, cup1.*mean 'bowl0'\?"):
        select_categories(["bowl9"], ["cup1", "bowl0"], where="/d")


def test_published_category_that_is_not_on_disk_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"'tap0' belongs to the dataset but is not in /d"):
        select_categories(["tap0"], ["bowl0"], where="/d", official=CATEGORIES_40)
