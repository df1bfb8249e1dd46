"""What is known about a published file of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["point-language", "point-encoder", "text-tower"]
UNKNOWN = "unknown"
WEIGHT_SUFFIXES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".safetensors"})
"""Suffixes of files that weights can be read from."""
_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class HubFile:
    """A file on the Hugging Face hub.

    Args:
        repository: `owner/name`.
        path: The file in it.
        repository_type: As the hub calls it.
        revision: Branch, tag or commit.
    """

    repository: str
    path: str
    repository_type: Literal["model", "dataset"] = "model"
    revision: str = "main"

    def __str__(self) -> str:
        """Its address in a browser."""
        kind = "datasets/" if self.repository_type == "dataset" else ""
        return f"{_HUB}/{kind}{self.repository}/resolve/{self.revision}/{self.path}"


@dataclass(frozen=True)
class Shape:
    """The configuration that a file gives.

    Args:
        layers: Transformer blocks.
        width: Channels of a token.
        groups: Groups per cloud in pretraining (points); None for a text tower.
        group_size: Points per group in pretraining; None for a text tower.
        joint: Channels of the space shared with text; None if there is none.
        class_token: Whether a learned token stands for the cloud.
    """

    layers: int
    width: int
    groups: int | None = None
    group_size: int | None = None
    joint: int | None = None
    class_token: bool = True

    def __str__(self) -> str:
        words = [f"{self.layers} layers", f"width {self.width}"]
        if self.groups is not None:
            words.append(f"{self.groups} groups of {self.group_size} points")
        words.append(f"joint space {self.joint}" if self.joint else "no joint space")
        if not self.class_token:
            words.append("no class token")
        return ", ".join(words)


@dataclass(frozen=True)
class Entry:
    """One published file.

    Args:
        name: What users type.
        kind: What is in it: both encoders, a point encoder alone, or a text tower alone.
        what: One line.
        file: Its name where it is published.
        source: Where it lies: on the hub, or a URL.
        licence: In short.
        terms: What to know before it is fetched.
        citation: The paper.
        shape: What it gives.
        size: Bytes, if known.
        sha256: Of the published file, if known.
        text: The text tower that the joint space belongs to; "" if it is in the file or there
            is none.
        text_entry: The entry that holds this tower; "" as above.
        per_patch: Whether patches, not whole clouds, are brought into the joint space.
        notes: More facts, a sentence each.
    """

    name: str
    kind: Kind
    what: str
    file: str
    source: HubFile | str
    licence: str
    terms: str
    citation: str
    shape: Shape
    size: int | None = None
    sha256: str | None = None
    text: str = ""
    text_entry: str = ""
    per_patch: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_backbone(self) -> bool:
        """Whether it makes a point-language model, with the file of its text side if need be."""
        return self.kind == "point-language" or bool(self.text and not self.per_patch)

    @property
    def command(self) -> str:
        """What fetches it."""
        return f"plane-anomalib weights get {self.name} --accept-terms"

    @property
    def manual(self) -> str:
        """How to bring it without this package's download, a sentence."""
        return (
            f"By hand: fetch {self.source} with any other program or machine, then run "
            f"`plane-anomalib weights get {self.name} --from FILE`."
        )
