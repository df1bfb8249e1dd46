"""CLIP's byte-pair encoding, from its published list of merges."""

from __future__ import annotations

import gzip
import html
from functools import cache
from itertools import pairwise
from pathlib import Path

import ftfy
import regex

#: Bytes that stand for themselves in the vocabulary; the others follow under characters of 256 on.
_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_WORDS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE)
_END = "</w>"


def merges_path() -> Path:
    """Where the package keeps the merges; their licence lies beside them."""
    return Path(__file__).parents[1] / "assets" / "clip_merges.txt.gz"


class BytePairs:
    """Splits text into tokens as CLIP does.

    Text is repaired, lower-cased and split into words; a word's bytes are joined pair by pair, the
    pair first that comes first in the list. The names of control tokens are words like others.
    """

    def __init__(self) -> None:
        lines = gzip.decompress(merges_path().read_bytes()).decode().splitlines()
        merges = [(first, second) for first, second in map(str.split, lines)]
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        rest = [byte for byte in range(256) if byte not in _PRINTABLE]
        characters = [chr(byte) for byte in _PRINTABLE] + [chr(256 + n) for n in range(len(rest))]
        self._characters = dict(zip([*_PRINTABLE, *rest], characters, strict=True))
        ends = [f"{character}{_END}" for character in characters]
        vocabulary = [*characters, *ends, *map("".join, merges)]
        self._tokens = {symbol: token for token, symbol in enumerate(vocabulary)}

    def encode(self, text: str) -> list[int]:
        """The tokens of `text`, without start and end."""
        repaired = html.unescape(html.unescape(ftfy.fix_text(text)))
        words = _WORDS.findall(" ".join(repaired.split()).lower())
        return [self._tokens[symbol] for word in words for symbol in self._symbols(word)]

    def _symbols(self, word: str) -> list[str]:
        symbols = [self._characters[byte] for byte in word.encode()]
        symbols[-1] += _END
        while len(symbols) > 1:
            best = min(pairwise(symbols), key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            symbols = _joined(symbols, best)
        return symbols


@cache
def clip_byte_pairs() -> BytePairs:
    """The encoding, its list of merges read once."""
    return BytePairs()


def _joined(symbols: list[str], pair: tuple[str, str]) -> list[str]:
    """Every occurrence of a pair as one symbol, from left to right."""
    joined: list[str] = []
    index = 0
    while index < len(symbols):
        found = tuple(symbols[index : index + 2]) == pair
        joined.append("".join(pair) if found else symbols[index])
        index += 2 if found else 1
    return joined
