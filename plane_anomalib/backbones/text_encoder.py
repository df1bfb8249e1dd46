"""The text encoder of CLIP and SLIP, and the tokenizers that turn words into its tokens."""

from __future__ import annotations

import gzip
import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.layers import Past, TransformerBlock, precision_of
from plane_anomalib.core.errors import ConfigurationError

#: Bytes that stand for themselves in the vocabulary; the others follow under characters of 256 on.
_PRINTABLE = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_WORD = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_END = "</w>"


@dataclass(frozen=True)
class TextEncoderConfig:
    """The shape of a text encoder. The defaults are SLIP's beside a ViT-B, inside ULIP's files.

    Args:
        width: Channels of a token.
        depth: Number of blocks.
        num_heads: Attention heads.
        context_length: Longest sequence, start and end tokens included.
        vocab_size: Number of tokens the vocabulary knows.
        joint_dim: Channels of the space shared with the point encoder.
        activation: "quick_gelu" or "gelu".
        tokenizer: "clip" (byte-pair encoding) or "bytes".
    """

    width: int = 512
    depth: int = 12
    num_heads: int = 8
    context_length: int = 77
    vocab_size: int = 49408
    joint_dim: int = 512
    activation: str = "quick_gelu"
    tokenizer: str = "clip"


class TextEncoder(nn.Module):
    """Maps token embeddings to one vector of the joint space per row.

    Attention is causal and only the end token is read, so a row may be followed by anything and
    the sequence need not be filled up to the full context.

    Args:
        config: The shape.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position = nn.Parameter(torch.zeros(config.context_length, config.width))
        self.blocks = nn.ModuleList(
            TransformerBlock(
                config.width, config.num_heads, activation=config.activation, causal=True
            )
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width)
        self.projection = nn.Parameter(torch.zeros(config.width, config.joint_dim))

    def forward(
        self, embeddings: Tensor, end: Tensor, before: Sequence[Past] | None = None
    ) -> Tensor:
        """Encode rows of token embeddings.

        Args:
            embeddings: Token embeddings without positions, (S, L, width), L up to the context.
            end: Place of the end token in every row, (S,) int64, counted from the first of these
                embeddings.
            before: What `prefix` made of the embeddings before these.

        Returns:
            One vector per row, (S, joint_dim), not normalised.
        """
        first = before[0][0].shape[2] if before else 0
        x = embeddings + self.position[first : first + embeddings.shape[1]]
        rows = torch.arange(x.shape[0], device=x.device)
        with precision_of(self.blocks):
            for index, block in enumerate(self.blocks):
                x = block(x, past=before[index] if before else None)
            return self.norm(x[rows, end]) @ self.projection

    def prefix(self, embeddings: Tensor) -> list[Past]:
        """What the beginning of a row leaves for those that follow: exact under causal attention.

        Args:
            embeddings: Token embeddings without positions, (S, L, width).

        Returns:
            Keys and values of each block.
        """
        x = embeddings + self.position[: embeddings.shape[1]]
        kept = []
        with precision_of(self.blocks):
            for block in self.blocks:
                kept.append(cast("TransformerBlock", block).past(x))
                x = block(x)
        return kept


class Tokenizer(Protocol):
    """What a text encoder needs to know of its vocabulary."""

    #: Token before every sentence.
    start: int
    #: Token after every sentence, where the encoder reads its result.
    end: int

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text` without start and end."""
        ...


class ByteTokenizer:
    """One token per UTF-8 byte of the lower-case text: no vocabulary file, no unknown word."""

    start = 256
    end = 257
    vocab_size = 258

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text` without start and end."""
        return list(" ".join(text.lower().split()).encode())


class ClipTokenizer:
    """CLIP's byte-pair encoding of 49,408 tokens.

    The vocabulary is read at the first sentence, so that encoding points alone does not need it.
    """

    start = 49406
    end = 49407

    def encode(self, text: str) -> list[int]:
        """Return the tokens of `text` without start and end."""
        return clip_byte_pairs().encode(text)


def create_tokenizer(name: str) -> Tokenizer:
    """Return the tokenizer that a `TextEncoderConfig` names.

    Args:
        name: "clip" or "bytes".

    Raises:
        ConfigurationError: If there is no such tokenizer.
    """
    if name == "clip":
        return ClipTokenizer()
    if name == "bytes":
        return ByteTokenizer()
    raise ConfigurationError(f'There is no tokenizer "{name}": choose "clip" or "bytes".')


def merges_path() -> Path:
    """Where the package keeps the merges; their licence lies beside them."""
    return Path(__file__).parents[1] / "assets" / "clip_merges.txt.gz"


class BytePairs:
    """Splits text into tokens as CLIP does.

    Text is repaired, lower-cased and split into words; a word's bytes are joined pair by pair, the
    pair first that comes first in the list. The names of control tokens are words like others.
    """

    def __init__(self) -> None:
        import regex

        self._words = regex.compile(_WORD, regex.IGNORECASE)
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
        import ftfy

        repaired = html.unescape(html.unescape(ftfy.fix_text(text)))
        words = self._words.findall(" ".join(repaired.split()).lower())
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
