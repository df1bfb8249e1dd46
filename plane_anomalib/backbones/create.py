"""A backbone by name or by file."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

import torch

from plane_anomalib.backbones.builtin import create_untrained, trained_weights
from plane_anomalib.backbones.load import load_point_language_model, load_point_transformer
from plane_anomalib.backbones.point_language import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.backbones.precision import hold
from plane_anomalib.backbones.weights import CATALOGUE, Entry, missing, usable_path
from plane_anomalib.backbones.weights.entry import WEIGHT_SUFFIXES
from plane_anomalib.core.errors import WeightsError


def create_point_encoder(name: str = "builtin", *, seed: int = 0) -> PointTransformer:
    """Return a frozen point encoder alone.

    Args:
        name: "builtin", "random", the name of published weights (`plane-anomalib weights list`),
            or the path of a weights file.
        seed: Of the weights of "random".

    Raises:
        WeightsError: If the name is unknown, needs a file, or the file cannot be used.
    """
    if name in CATALOGUE:
        if CATALOGUE[name].kind == "text-tower":
            raise WeightsError(
                f'"{name}" is a text tower: it has no point encoder; name a point encoder or a '
                "point-language model."
            )
        return load_point_transformer(_usable(CATALOGUE[name]))
    if Path(name).suffix in WEIGHT_SUFFIXES:
        return load_point_transformer(Path(name).expanduser())
    return create_backbone(name, seed=seed).points


def create_backbone(
    name_or_path: str | Path = "builtin",
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    warn: bool = True,
) -> PointLanguageModel:
    """Return a frozen point-language model.

    Args:
        name_or_path: "builtin", the package's own; "random", the same untrained; the name of
            published weights with a text encoder (`plane-anomalib weights list`); or the path of a
            checkpoint: ULIP's layout (.pt, .safetensors) or a file written by
            `save_point_language_model`.
        seed: Of the weights of "random".
        dtype: In which the encoders are held; bfloat16 halves their memory, see `precision.hold`.
        warn: Whether "random" says that it is untrained.

    Raises:
        WeightsError: If the name is unknown, needs a file, or the file cannot be used.
    """
    name = str(name_or_path)
    if name == "builtin":
        return load_point_language_model(trained_weights(), dtype=dtype)
    if name == "random":
        model = create_untrained(seed, warn=warn)
        hold(model, dtype)
        return model
    if name in CATALOGUE:
        return _published(CATALOGUE[name], dtype)
    path = Path(name).expanduser()
    if isinstance(name_or_path, Path) or path.suffix in WEIGHT_SUFFIXES or path.exists():
        return load_point_language_model(path, dtype=dtype)
    known = ["builtin", "random", *(n for n, entry in CATALOGUE.items() if entry.is_backbone)]
    close = get_close_matches(name.lower(), ["builtin", "random", *CATALOGUE], n=1)
    hint = f' (did you mean "{close[0]}"?)' if close else ""
    raise WeightsError(
        f'There is no backbone "{name}"{hint}: choose one of {", ".join(known)} or give the path '
        "of a weights file."
    )


def _published(entry: Entry, dtype: torch.dtype) -> PointLanguageModel:
    if not entry.is_backbone:
        backbones = ", ".join(n for n, other in CATALOGUE.items() if other.is_backbone)
        raise WeightsError(
            f'"{entry.name}" is no point-language model: it does not bring whole clouds and texts '
            f"into one space; take builtin, {backbones}, or the path of a weights file."
        )
    path = _usable(entry)
    text = _usable(CATALOGUE[entry.text_entry]) if entry.text_entry else None
    return load_point_language_model(path, text=text, dtype=dtype)


def _usable(entry: Entry) -> Path:
    """The file of published weights on this machine."""
    path = usable_path(entry)
    if path is None:
        raise missing(entry)
    return path
