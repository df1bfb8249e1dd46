"""Published checkpoints to safetensors files of this package: once, checked, with their origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from plane_anomalib.backbones.checkpoint import read_tensors
from plane_anomalib.backbones.load import (
    load_point_language_model,
    load_point_transformer,
    save_point_language_model,
)
from plane_anomalib.backbones.official import is_text_tensor, is_text_tower
from plane_anomalib.backbones.point_file import (
    ENCODER_FORMAT,
    MODEL_FORMAT,
    beside,
    projection_of,
    save_point_encoder,
)
from plane_anomalib.backbones.point_transformer import PointTransformerConfig
from plane_anomalib.backbones.text_tower import (
    TOWER_FORMAT,
    read_text_tower,
    save_text_tower,
)
from plane_anomalib.backbones.weights.entry import Entry, Kind, Shape
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.hashes import sha256_of

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
    kind: Kind
    shape: Shape
    source_sha256: str
    left_out: str


def convert(source: Path, out: Path, entry: Entry | None = None) -> Converted:
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
    source: Path, out: Path, entry: Entry | None, about: dict[str, str]
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
    entry: Entry | None,
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
    source: Path, out: Path, entry: Entry | None, about: dict[str, str]
) -> Converted:
    config, tower = read_text_tower(source)
    shape = Shape(config.depth, config.width, joint=config.joint_dim)
    _require_fit(source, entry, "text-tower", shape)
    save_text_tower(config, tower, out, about)
    return Converted(out, "text-tower", shape, about["source_sha256"], about["left_out"])


def _about(source: Path, digest: str, entry: Entry | None) -> dict[str, str]:
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


def _groups(entry: Entry | None, kind: Kind) -> tuple[int, int]:
    if entry is None or entry.shape.groups is None or entry.shape.group_size is None:
        return _UNNAMED[kind]
    return entry.shape.groups, entry.shape.group_size


def _shape(config: PointTransformerConfig, joint: int | None) -> Shape:
    return Shape(
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


def _require_fit(source: Path, entry: Entry | None, kind: Kind, shape: Shape) -> None:
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
