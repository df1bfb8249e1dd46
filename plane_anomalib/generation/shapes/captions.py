"""Captions of specimens in varied everyday words, and what a family is: a maker of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from plane_anomalib.generation.shapes.solids import Solid

Made = tuple[Solid, str]
Maker = Callable[[np.random.Generator], Made]


_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six"]
_NUMBERS += ["seven", "eight", "nine", "ten", "eleven", "twelve"]
_VOWELS = tuple("aeiou")
_SOUNDS_OTHERWISE = ("u-", "uni", "use", "one")
_FRAMES = ("{}", "{}", "{}", "{}", "the shape of {}", "a 3D scan of {}", "a point cloud of {}")


def grade(value: float, low: float, small: str, high: float, large: str) -> str:
    """The word for a small or a large value, or nothing in between."""
    return small if value < low else large if value > high else ""


def quantity(generator: np.random.Generator, count: int, one: str, many: str) -> str:
    """A number of things, in digits or in words."""
    if count == 1:
        return with_article(one)
    figure = _NUMBERS[count] if count <= 12 and generator.random() < 0.5 else str(count)
    return f"{figure} {many}"


def with_article(phrase: str) -> str:
    """The phrase after "a" or "an"."""
    vowel = phrase.lower().startswith(_VOWELS) and not phrase.lower().startswith(_SOUNDS_OTHERWISE)
    return f"{'an' if vowel or phrase.startswith(('8', '11 ', '18')) else 'a'} {phrase}"


def caption(
    generator: np.random.Generator,
    nouns: Sequence[str] | str,
    looks: Sequence[str] = (),
    has: Sequence[str] = (),
) -> str:
    """A caption of a specimen.

    Args:
        generator: Generator that varies the wording.
        nouns: What the thing may be called, without article.
        looks: Adjectives that are true of it; empty ones are ignored.
        has: Noun phrases of what it has; empty ones are ignored.

    Returns:
        Such as "a tall vase with a narrow neck". One or two of each kind are mentioned.
    """
    noun = nouns if isinstance(nouns, str) else nouns[int(generator.integers(len(nouns)))]
    adjectives = _some(generator, [look for look in looks if not {*look.split()} & {*noun.split()}])
    features = _some(generator, has)
    style = generator.random()
    if adjectives and style < 0.15:
        text = f"{with_article(noun)} that is {' and '.join(adjectives)}"
        text += f" and has {' and '.join(features)}" if features else ""
    elif adjectives and style < 0.25:
        text = ", ".join([with_article(noun), *adjectives])
        text += f", with {' and '.join(features)}" if features else ""
    else:
        text = with_article(" ".join([*adjectives, noun]))
        link = "having" if style > 0.92 else "with"
        text += f" {link} {' and '.join(features)}" if features else ""
    return _FRAMES[int(generator.integers(len(_FRAMES)))].format(text)


def _some(generator: np.random.Generator, phrases: Sequence[str]) -> list[str]:
    """One or two of the phrases that say something, in their order."""
    true = [phrase for phrase in phrases if phrase]
    if len(true) <= 1:
        return true
    chosen = sorted(generator.permutation(len(true))[: int(generator.integers(1, 3))])
    return [true[i] for i in chosen]
