"""Words to tokens: CLIP's byte-pair encoding, and plain bytes for the built-in model."""

from __future__ import annotations

from typing import Protocol

from plane_anomalib.core.errors import ConfigurationError


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
        from plane_anomalib.backbones.byte_pairs import clip_byte_pairs

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
