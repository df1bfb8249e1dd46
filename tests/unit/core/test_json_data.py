"""Anything becomes strict JSON, the same in every process."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.json_data import load_strict, strict_json


class Colour(Enum):
    RED = 1


class Thing:
    pass


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
