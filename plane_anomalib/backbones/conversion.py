"""Published checkpoints to safetensors files of this package, and the check of such a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from plane_anomalib.backbones.encoder_files import (
    TOWER_FORMAT,
    load_point_language_model,
    load_point_transformer,
    read_text_tower,
    save_point_encoder,
    save_point_language_model,
    save_text_tower,
)
from plane_anomalib.backbones.layouts import (
    ENCODER_FORMAT,
    MODEL_FORMAT,
    below,
    beside,
    is_text_tensor,
    is_text_tower,
    points_of,
    projection_of,
)
from plane_anomalib.backbones.point_transformer import PointTransformer, PointTransformerConfig
from plane_anomalib.backbones.tensor_file import read_tensors
from plane_anomalib.backbones.text_encoder import TextEncoder
from plane_anomalib.backbones.weights.catalogue import CatalogueEntry, EncoderShape, WeightsKind
from plane_anomalib.backbones.weights.store import Pin, converted_path, here, missing, pin_of
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.files import sha256_of

_UNNAMED = {"point-language": (512, 32), "point-encoder": (64, 32)}


@dataclass(frozen=True)
class Converted:
    """A file that was written.

    Args:
        path: Where.
        kind: What it holds.
        shape: What was inferred.
        source_sha256: Hash of the file it was made from.
        left_out: What of that file was not needed, in words.
    """

    path: Path
    kind: WeightsKind
    shape: EncoderShape
    source_sha256: str
    left_out: str


def convert(source: Path, out: Path, entry: CatalogueEntry | None = None) -> Converted:
    """Write what a published checkpoint holds as one safetensors file.

    Nothing in the checkpoint is ever executed. Its shape is inferred from its tensors; all of them
    and all of the model's have to find each other.

    Args:
        source: A checkpoint in the layout of ULIP, PatchAlign3D, Point-MAE, Point-BERT, or
            open_clip, of which the text tower is taken.
        out: The file to write, replaced only once the new one is complete.
        entry: What it is said to be; then it has to have that shape.

    Raises:
        WeightsError: It is missing, damaged, not safe, converted already, or does not fit; or `out`
            cannot be written.
    """
    state, metadata = read_tensors(source)
    if metadata.get("format") in (MODEL_FORMAT, ENCODER_FORMAT, TOWER_FORMAT):
        raise WeightsError(f"{source}: this file is converted already; use it as it is.")
    if out.exists() and out.samefile(source):
        raise WeightsError(f"{source}: its conversion would replace it; give another --out FILE.")
    about = _about(source, sha256_of(source), entry)
    try:
        if is_text_tower(state):
            left_out = _grouped([name for name in state if not is_text_tensor(name)])
            state.clear()  # it is read again, tensor by tensor
            return _convert_tower(source, out, entry, {**about, "left_out": left_out})
        if any(name.startswith("token_embedding.") for name in state):
            state.clear()  # it is read again as a model
            return _convert_model(source, out, entry, about)
        return _convert_encoder(state, source, out, entry, about)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"{out}: cannot be written ({error}); give another --out FILE."
        ) from error


def _convert_model(
    source: Path, out: Path, entry: CatalogueEntry | None, about: dict[str, str]
) -> Converted:
    groups, size = _groups(entry, "point-language")
    model = load_point_language_model(source, num_groups=groups, group_size=size)
    shape = _shape(model.points.config, model.joint_dim)
    _require_fit(source, entry, "point-language", shape)
    model.weights = about["weights"]
    save_point_language_model(model, out, about)
    left_out = "image side and logit scale"
    return Converted(out, "point-language", shape, about["source_sha256"], left_out)


def _convert_encoder(
    state: Mapping[str, Tensor],
    source: Path,
    out: Path,
    entry: CatalogueEntry | None,
    about: dict[str, str],
) -> Converted:
    groups, size = _groups(entry, "point-encoder")
    model = load_point_transformer(source, num_groups=groups, group_size=size, skip_origin=False)
    projection = projection_of(state)
    shape = _shape(model.config, _joint(projection, model.config, source))
    _require_fit(source, entry, "point-encoder", shape)
    left_out = _grouped([name for name in beside(state, source) if name != "pc_projection"])
    save_point_encoder(model, out, {**about, "left_out": left_out}, projection)
    return Converted(out, "point-encoder", shape, about["source_sha256"], left_out)


def _convert_tower(
    source: Path, out: Path, entry: CatalogueEntry | None, about: dict[str, str]
) -> Converted:
    config, tower = read_text_tower(source)
    shape = EncoderShape(config.depth, config.width, joint=config.joint_dim)
    _require_fit(source, entry, "text-tower", shape)
    save_text_tower(config, tower, out, about)
    return Converted(out, "text-tower", shape, about["source_sha256"], about["left_out"])


def _about(source: Path, digest: str, entry: CatalogueEntry | None) -> dict[str, str]:
    about = {"source": source.name, "source_sha256": digest, "weights": source.name}
    if entry is None:
        return about
    return {
        **about,
        "weights": f"{entry.name} ({entry.file})",
        "name": entry.name,
        "licence": entry.licence,
        "citation": entry.citation,
        "text": entry.text,
    }


def _groups(entry: CatalogueEntry | None, kind: WeightsKind) -> tuple[int, int]:
    if entry is None or entry.shape.groups is None or entry.shape.group_size is None:
        return _UNNAMED[kind]
    return entry.shape.groups, entry.shape.group_size


def _shape(config: PointTransformerConfig, joint: int | None) -> EncoderShape:
    return EncoderShape(
        config.depth,
        config.width,
        config.num_groups,
        config.group_size,
        joint,
        config.class_token,
    )


def _joint(
    projection: Mapping[str, Tensor], config: PointTransformerConfig, source: Path
) -> int | None:
    """Channels of the joint space, once the projection into it fits the encoder."""
    for name, axis, width in (
        ("point_projection", 0, 2 * config.width),
        ("patch_projection.weight", 1, config.width),
    ):
        tensor = projection.get(name)
        if tensor is None:
            continue
        if tensor.ndim != 2 or tensor.shape[axis] != width:
            raise WeightsError(
                f"{source}: the tensors do not fit the model; wrong shape: {name} "
                f"{tuple(tensor.shape)}, where axis {axis} has to be {width}."
            )
        return int(tensor.shape[1 - axis])
    return None


def _require_fit(
    source: Path, entry: CatalogueEntry | None, kind: WeightsKind, shape: EncoderShape
) -> None:
    """Refuse a file that is not what its name says."""
    if entry is None:
        return
    said = replace(entry.shape, groups=shape.groups, group_size=shape.group_size)
    if (entry.kind, said) != (kind, shape):
        raise WeightsError(
            f"{source}: this is not {entry.name}: it holds a {kind} of {shape}, where a "
            f"{entry.kind} of {entry.shape} was expected."
        )


def _grouped(names: list[str]) -> str:
    """Names by their first part, with counts."""
    counts = Counter(name.partition(".")[0] for name in names)
    return ", ".join(f"{part} ({count})" for part, count in sorted(counts.items()))


_POINTS = 2048
_WORDS = (320, 1000, 269)  # any tokens of CLIP's vocabulary; those of other tokenizers are fewer


def verify_entry(entry: CatalogueEntry) -> list[str]:
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


def _check_original(entry: CatalogueEntry, pin: Pin, original: Path | None) -> str:
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
