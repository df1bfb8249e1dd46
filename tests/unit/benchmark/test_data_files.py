"""A listing stands for everything that decides what is loaded."""

from pathlib import Path

import numpy as np

from plane_anomalib.benchmark.data_files import Listing, list_data
from plane_anomalib.core.results import Component
from tests.support.trees import minishift_tree, mulsen_tree


def listed(name: str, root: Path, cache: Path, **arguments: object) -> Listing:
    data = Component(name, {"root": str(root), "category": "all", **arguments})
    return list_data(data, cache, make=False)


def test_table_that_labels_the_clouds_is_part_of_the_data(tmp_path: Path) -> None:
    root = mulsen_tree(tmp_path / "MulSen_AD", np.random.default_rng(0))
    before = listed("MulSenAD", root, tmp_path / "cache")
    assert before.clouds == {"cube": 5, "nut": 5}
    assert len(before.absent) == 13
    assert listed("MulSenAD", root, tmp_path / "cache") == before
    table = root / "cube/RGB/GT/color/data.csv"
    table.write_text(table.read_text().replace("10,1,0,0", "10,0,1,0"))
    after = listed("MulSenAD", root, tmp_path / "cache")
    assert after.categories["cube"] != before.categories["cube"]
    assert after.categories["nut"] == before.categories["nut"]


def test_an_argument_that_leaves_clouds_out_makes_another_listing(tmp_path: Path) -> None:
    root = minishift_tree(tmp_path / "MiniShiftAD", np.random.default_rng(0))
    whole = listed("MiniShift", root, tmp_path / "cache")
    hard = listed("MiniShift", root, tmp_path / "cache", level="hard")
    assert (whole.clouds, hard.clouds) == ({"cube": 5, "nut": 5}, {"cube": 3, "nut": 3})
    assert whole.categories["cube"] != hard.categories["cube"]
