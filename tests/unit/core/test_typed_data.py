"""Anything becomes strict JSON, the same in every process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.typed_data import (
    TypedDataError,
    from_plain,
    load_strict,
    read_json,
    read_yaml,
    strict_json,
    write_json,
)


class Colour(Enum):
    RED = 1


class Thing:
    pass


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_any_plain_data_comes_out_strict_and_stable(data: object) -> None:
    text = strict_json(data)
    assert strict_json(load_strict(text)) == text


def test_what_json_has_no_word_for_becomes_null_or_text() -> None:
    values = {
        "path": Path("a") / "b",
        "array": np.array([1.0, np.inf], dtype=np.float32),
        "scalar": np.int64(3),
        "tensor": torch.tensor([True]),
        "dtype": torch.float32,
        "enum": Colour.RED,
        "object": Thing(),
        "class": Thing,
        "function": make_nothing,
        "set": {"b", "a"},
        "tuple": (1, 2),
    }
    assert json.loads(strict_json(values)) == {
        "path": "a/b",
        "array": [1.0, None],
        "scalar": 3,
        "tensor": [True],
        "dtype": "torch.float32",
        "enum": "Colour.RED",
        "object": f"<{__name__}.Thing object>",
        "class": "Thing",
        "function": "make_nothing",
        "set": ["a", "b"],
        "tuple": [1, 2],
    }


def make_nothing() -> None:
    """A function to be named."""


@dataclass(frozen=True)
class Wheel:
    radius: float
    spokes: int = 8
    kind: Literal["front", "rear"] | None = None

    def __post_init__(self) -> None:
        if self.spokes < 0:
            raise ConfigurationError("a wheel has no fewer than 0 spokes.")
        if self.spokes > 99:
            raise ValueError("too many spokes")


@dataclass(frozen=True)
class Cart:
    wheels: list[Wheel]
    spare: dict[str, Wheel] = field(default_factory=dict)
    box: tuple[float, float] = (1.0, 2.0)
    notes: Any = None


def test_a_dataclass_comes_back_as_it_was_written(tmp_path: Path) -> None:
    cart = Cart([Wheel(1.5, kind="rear")], {"a.b": Wheel(2.0)}, (3.0, 4.0), {"x": [1, None]})
    assert read_json(Cart, write_json(tmp_path / "cart.json", cart)) == cart


def test_yaml_is_read_alike_and_an_integer_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "cart.yaml").write_text("wheels: [{radius: 2}]\nbox: [1, 2]\n")
    cart = read_yaml(Cart, tmp_path / "cart.yaml")
    assert cart == Cart([Wheel(2.0)])
    assert isinstance(cart.wheels[0].radius, float)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "the entry wheels is missing"),
        ({"wheels": [{}]}, r"the entry wheels\[0\]\.radius is missing"),
        ({"wheel": []}, "no entry wheel: did you mean wheels"),
        ({"wheels": [{"radius": 1}, {"radios": 1}]}, r"wheels\[1\]\.radios: did you mean rad"),
        ({"wheels": [], "spare": {"a": {"radius": 1, "x": 1}}}, r"spare\.a\.x: there are "),
        ({"wheels": [], "spare": {"a": {"radius": 1}, "b.c": {"radius": "1"}}},
         r"spare\.b\.c\.radius must be of type float, not '1'"),
        ({"wheels": [{"radius": 1, "spokes": True}]}, "spokes must be of type int, not True"),
        ({"wheels": [{"radius": 1, "spokes": 1.0}]}, r"spokes must be of type int, not 1\.0"),
        ({"wheels": [{"radius": 1, "kind": "left"}]}, "must be one of front, rear, not 'left'"),
        ({"wheels": {}}, r"wheels must be of type list, not \{\}"),
        ({"wheels": [3]}, r"wheels\[0\] must be a mapping, not 3"),
        ({"wheels": [], "box": [1]}, r"box takes 2 values, not \[1\]"),
        ({"wheels": [{"radius": 1, "spokes": -1}]}, "^a wheel has no fewer than 0 spokes.$"),
        ({"wheels": [{"radius": 1, "spokes": 100}]}, r"wheels\[0\]: too many spokes"),
        ([], "the whole must be a mapping"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_sentence_that_names_the_place(data: Any, sentence: str) -> None:
    with pytest.raises(TypedDataError, match=sentence):
        from_plain(Cart, data)


def test_a_name_that_is_no_utf8_survives() -> None:
    name = b"bad\xff".decode("utf-8", "surrogateescape")
    assert from_plain(dict[str, str], load_strict(strict_json({"file": name}))) == {"file": name}
