import itertools

import numpy as np
import pytest

from plane_anomalib.generation.shapes.catalogue import FAMILIES
from plane_anomalib.generation.shapes.construction import caption, grade, quantity, with_article


def captions(*arguments: object) -> set[str]:
    return {caption(np.random.default_rng(seed), *arguments) for seed in range(200)}  # type: ignore[arg-type]


def test_every_caption_names_the_thing_and_something_that_is_true_of_it() -> None:
    found = captions(["vase", "flower vase"], ["tall", ""], ["a narrow neck", ""])
    assert "a tall vase with a narrow neck" in found
    assert all("vase" in text and "tall" in text and "narrow neck" in text for text in found)
    assert len(found) > 20


def test_at_most_two_features_are_mentioned_in_their_order() -> None:
    for text in captions("gear", [], ["a bore", "12 teeth", "a hub"]):
        named = [word for word in ("a bore", "12 teeth", "a hub") if word in text]
        assert 1 <= len(named) <= 2
        assert [text.index(word) for word in named] == sorted(text.index(word) for word in named)


def test_an_adjective_that_the_noun_says_is_not_said_twice() -> None:
    assert not any("spiral spiral" in text for text in captions("spiral shell", ["spiral"]))


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("egg", "an egg"),
        ("cup", "a cup"),
        ("U-channel", "a U-channel"),
        ("I-beam", "an I-beam"),
        ("18 teeth gear", "an 18 teeth gear"),
        ("one-handed tool", "a one-handed tool"),
    ],
)
def test_the_article_follows_the_sound(phrase: str, said: str) -> None:
    assert with_article(phrase) == said


def test_numbers_are_said_in_digits_or_words() -> None:
    generator = np.random.default_rng(0)
    assert {quantity(generator, 4, "leg", "legs") for _ in range(40)} == {"4 legs", "four legs"}
    assert quantity(generator, 1, "eye", "eyes") == "an eye"
    assert quantity(generator, 23, "tooth", "teeth") == "23 teeth"


def test_only_clear_values_get_a_word() -> None:
    assert [grade(v, 1, "small", 2, "large") for v in (0.5, 1.5, 2.5)] == ["small", "", "large"]


def test_no_caption_stutters_or_has_a_wrong_article() -> None:
    for family, make in FAMILIES.items():
        for seed in range(4):
            words = make(np.random.default_rng(seed))[1].split()
            assert all(a != b for a, b in itertools.pairwise(words)), (family, words)
            for article, noun in itertools.pairwise(words):
                if article in ("a", "an"):
                    assert with_article(noun).split()[0] == article, (family, words)
