"""Units of length: by which names they go, and how many millimetres each has."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from plane_anomalib.core.errors import ConfigurationError, what_was_meant

MILLIMETRES: Mapping[str, float] = MappingProxyType(
    {"um": 0.001, "mm": 1.0, "cm": 10.0, "m": 1_000.0, "in": 25.4, "ft": 304.8}
)
"""Millimetres in each unit, by its short name."""
_WORDS = {
    "um": ("micrometre", "micrometres", "micrometer", "micrometers", "micron", "microns"),
    "mm": ("millimetre", "millimetres", "millimeter", "millimeters"),
    "cm": ("centimetre", "centimetres", "centimeter", "centimeters"),
    "m": ("metre", "metres", "meter", "meters"),
    "in": ("inch", "inches"),
    "ft": ("foot", "feet"),
}
_NAMES = {word: unit for unit, words in _WORDS.items() for word in (unit, *words)}


def in_words(unit: str) -> str:
    """A unit as it is written out, in the plural.

    Args:
        unit: A key of `MILLIMETRES`, or "" where none is known.

    Returns:
        Such as `millimetres`; `units` where none is known.

    Examples:
        >>> in_words("in"), in_words("")
        ('inches', 'units')
    """
    return _WORDS[unit][1] if unit else "units"


def unit_named(text: str) -> str:
    """The unit that somebody wrote.

    Args:
        text: A short name or a word, upper or lower case.

    Returns:
        A key of `MILLIMETRES`.

    Raises:
        ConfigurationError: There is no such unit; the message says which may have been meant.

    Examples:
        >>> unit_named("Millimeters")
        'mm'
    """
    name = text.strip().lower()
    if name not in _NAMES:
        raise ConfigurationError(
            f"{text!r} is no unit of length: {what_was_meant(name, sorted(_NAMES), 'known are')}"
        )
    return _NAMES[name]


def conversion(given: str, wanted: str) -> float:
    """What to multiply lengths by to have them in another unit.

    Args:
        given: The unit they are in, a key of `MILLIMETRES`.
        wanted: The other one.

    Examples:
        >>> conversion("m", "mm")
        1000.0
    """
    return MILLIMETRES[given] / MILLIMETRES[wanted]
