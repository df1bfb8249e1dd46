"""Is a file of weights whole, does all of it fit, and does it run?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from plane_anomalib.backbones.checkpoint import read_tensors
from plane_anomalib.backbones.load import load_point_language_model, load_point_transformer
from plane_anomalib.backbones.official import below, is_text_tower
from plane_anomalib.backbones.point_file import points_of
from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.backbones.text_encoder import TextEncoder
from plane_anomalib.backbones.text_tower import read_text_tower
from plane_anomalib.backbones.weights.entry import Entry
from plane_anomalib.backbones.weights.store import Pin, converted_path, here, missing, pin_of
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.hashes import sha256_of

_POINTS = 2048
_WORDS = (320, 1000, 269)  # any tokens of CLIP's vocabulary; those of other tokenizers are fewer


def verify_entry(entry: Entry) -> list[str]:
    """Check published weights on this machine against what is on record, then their conversion.

    Args:
        entry: What to check.

    Returns:
        What was found, a line each.

    Raises:
        WeightsError: They are not here, are not those on record, or cannot be used.
    """
    pin, original, converted = pin_of(entry), here(entry), converted_path(entry)
    if pin is None or (original is None and not converted.is_file()):
        raise missing(entry)
    lines = [_check_original(entry, pin, original)]
    if not converted.is_file():
        raise missing(entry)
    found = sha256_of(converted)
    if found != pin.converted_sha256:
        raise WeightsError(
            f"{converted}: damaged or replaced, because its SHA-256 is {found} and "
            f"{pin.converted_sha256 or 'none'} is on record; make it again with "
            f"`plane-anomalib weights get {entry.name} --accept-terms`."
        )
    _, metadata = read_tensors(converted)
    if metadata.get("source_sha256") != pin.sha256:
        raise WeightsError(
            f"{converted}: it was made from a file with SHA-256 {metadata.get('source_sha256')}, "
            f"and {pin.sha256} is on record; convert that one again."
        )
    return [*lines, *verify_file(converted)]


def verify_file(path: Path) -> list[str]:
    """Check a file of weights by itself: whole, complete, finite, and running.

    Args:
        path: A checkpoint in a published layout, or a converted file.

    Returns:
        What was found, a line each.

    Raises:
        WeightsError: It cannot be used; the message says why.
    """
    state, metadata = read_tensors(path)
    _require_finite(state, path)
    lines = [f"file       {path}", f"sha256     {sha256_of(path)}"]
    for label, key in (("made from", "source"), ("its sha256", "source_sha256")):
        if key in metadata:
            lines.append(f"{label:10} {metadata[key]}")
    lines.append(f"tensors    {len(state)}, all finite, {sum(t.numel() for t in state.values()):,}")
    if is_text_tower(state):
        config, tower = read_text_tower(path)
        with torch.device("meta"):
            text = TextEncoder(config)
        text.load_state_dict(below(tower, "text."), assign=True)
        return [*lines, f"text       {config}", _run_text(text, path)]
    if any("token_embedding" in name for name in state):
        model = load_point_language_model(path)
        lines += [f"points     {model.points.config}", f"text       {model.text.config}"]
        return [*lines, _run_points(model.points, path), _run_text(model.text, path)]
    points, _ = points_of(state, metadata, path)
    encoder = load_point_transformer(
        path, num_groups=points.num_groups, group_size=points.group_size, skip_origin=False
    )
    lines.append(f"points     {encoder.config}")
    if metadata.get("text"):
        lines.append(f"text       in another file: {metadata['text']}")
    return [*lines, _run_points(encoder, path)]


def fixed_cloud() -> Tensor:
    """The cloud that `verify` encodes: (1, 2048, 3) float32 on the unit sphere, always the same."""
    points = torch.randn(1, _POINTS, 3, generator=torch.Generator().manual_seed(0))
    return nn.functional.normalize(points, dim=-1)


def _check_original(entry: Entry, pin: Pin, original: Path | None) -> str:
    if original is None:
        return f"original   {entry.file} is not here any more; on record: sha256 {pin.sha256}"
    found = sha256_of(original)
    if found != pin.sha256:
        raise WeightsError(
            f"{original}: damaged or replaced, because its SHA-256 is {found} and {pin.sha256} is "
            f"on record; fetch it again with `{entry.command}`, or accept it with --repin."
        )
    return f"original   {original}, sha256 {found} as on record"


def _require_finite(state: Mapping[str, Tensor], path: Path) -> None:
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{path}: {name} has values that are not finite; fetch it again.")


@torch.no_grad()
def _run_points(encoder: PointTransformer, path: Path) -> str:
    return f"runs       {_summary('points', encoder(fixed_cloud()).pooled, path)}"


@torch.no_grad()
def _run_text(text: TextEncoder, path: Path) -> str:
    words = torch.tensor([[index % text.config.vocab_size for index in _WORDS]])
    encoded = text(text.token_embedding(words), torch.tensor([len(_WORDS) - 1]))
    return f"runs       {_summary('text', encoded, path)}"


def _summary(what: str, feature: Tensor, path: Path) -> str:
    if not bool(torch.isfinite(feature).all()):
        raise WeightsError(
            f"{path}: the {what} encoder gives values that are not finite; fetch the file again."
        )
    first = " ".join(f"{value:+.4f}" for value in feature[0, :4].tolist())
    return f"{what}: {feature.shape[1]} values, norm {feature.norm():.4f}, first {first}"
