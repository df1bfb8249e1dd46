"""Recipes from files, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.pretraining.config import PretrainConfig, load_config

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "configs/pretrain").glob("*.yaml")), ids=lambda p: p.stem
)
def test_recipes_of_the_package_can_be_read(path: Path) -> None:
    assert load_config(path).train.steps > 0


def _load(tmp_path: Path, text: str) -> PretrainConfig:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return load_config(path)


def test_values_take_the_place_of_defaults(tmp_path: Path) -> None:
    config = _load(tmp_path, "train: {learning_rate: 1, groups: [16]}\nviews: {noise: [0, 1]}")
    assert config.train.learning_rate == 1.0
    assert config.train.groups == (16,)
    assert config.views.noise == (0.0, 1.0)
    assert config.pool == PretrainConfig().pool


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: {learning_rat: 1}", r"no entry train\.learning_rat: did you mean learning_rate\?"),
        ("traim: {}", r"no entry traim: did you mean train\?"),
        ("train: {steps: many}", r"train\.steps must be of type int, not 'many'"),
        ("views: {noise: [1]}", r"views\.noise takes 2 values"),
        ("train: {steps: true}", r"train\.steps must be of type int"),
        ("train: 3", "must be a mapping"),
        ("train: [", "is not YAML"),
        ("train: {points_weights: [1]}", "one weight for each"),
        ("defects: {kinds: [bulge, flat]}", r"no flat: did you mean flat_spot\?"),
        ("pool: {points: 64}", r"train\.points cannot exceed pool\.points"),
    ],
)
def test_wrong_recipe_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        _load(tmp_path, text)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.yaml"):
        load_config(tmp_path / "nothing.yaml")
