"""The words of the HTTP interface: what goes in, what else may come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plane_anomalib.formats.io import MESH_SUFFIXES, POINT_SUFFIXES
from plane_anomalib.serving.upload import FIELD

_KINDS = ", ".join(sorted(POINT_SUFFIXES | MESH_SUFFIXES))
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {
                            "type": "string",
                            "format": "binary",
                            "description": f"A cloud, or a mesh to sample, by suffix: {_KINDS}",
                        }
                    },
                }
            }
        },
    }
}
"""The form that is posted, for OpenAPI."""


@dataclass(frozen=True)
class Problem:
    """Why there is no answer.

    Attributes:
        detail: A sentence.
    """

    detail: str


@dataclass(frozen=True)
class Health:
    """The server is there and its detector is loaded.

    Attributes:
        loaded: Always true: the server does not answer before.
        model: Registered name.
        weights_hash: SHA-256 over the model's state.
        categories: What it was trained on; empty where the model does not say.
        version: Of plane_anomalib.
        busy: How many requests wait or are being answered.
    """

    loaded: bool
    model: str
    weights_hash: str
    categories: list[str]
    version: str
    busy: int


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        400: "The form cannot be read",
        413: "The file is too large, or has too many points",
        415: "No form, or a file of another kind",
        422: "No file, or one that holds no cloud that can be judged",
        500: "The server failed",
        503: "Too many requests wait; try again after Retry-After seconds",
        504: "It took too long",
    }.items()
}
"""What can go wrong, for OpenAPI."""
