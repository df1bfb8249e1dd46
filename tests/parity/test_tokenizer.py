"""Tokens equal those of open_clip's tokenizer, whichever version is there."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from plane_anomalib.backbones.text_encoder import BytePairs

OURS, THEIRS = BytePairs(), SimpleTokenizer()
PIECES = [
    *("vase", "Microphone", "phone_case-3", "it's", "WE'LL", "na\u00efve", "caf\u00e9", "\uff21"),
    *("\ufb01", "&amp;", "&lt;", "12", "\u00bd", "\u4e00\u4e8c\u4e09", "\u03a9\u03bc", "n\u0303"),
    *("\u2019", "\u2026", "\U0001f600", "\t", "\u00a0", "\u200b", "\x00", "\u00e2\u20ac\u2122"),
    *("--", "!?"),
]


def test_tokens_of_random_mixtures_are_the_same() -> None:
    draw = random.Random()  # noqa: S311
    letters = "abcdefghijklmnopqrstuvwxyzABC0123456789 .,'-_"
    for _ in range(4000):
        parts = [
            draw.choice(PIECES)
            if draw.random() < 0.4
            else "".join(draw.choices(letters, k=draw.randint(1, 9)))
            for _ in range(draw.randint(1, 8))
        ]
        text = draw.choice(["", " "]).join(parts)
        assert OURS.encode(text) == THEIRS.encode(text), repr(text)


@settings(max_examples=1500, deadline=None)
@given(st.text(max_size=40))
def test_tokens_of_any_text_are_the_same(text: str) -> None:
    assert OURS.encode(text) == THEIRS.encode(text)


def test_vocabulary_ends_where_the_control_tokens_begin() -> None:
    assert max(OURS._tokens.values()) + 1 == THEIRS.encoder.get(
        "<start_of_text>", THEIRS.encoder.get("<|startoftext|>")
    )
