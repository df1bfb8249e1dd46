"""Encoders by name or by file: the built-in model, the same untrained, published ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from plane_anomalib.backbones.encoder_files import load_point_language_model, load_point_transformer
from plane_anomalib.backbones.layers import hold
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformer, PointTransformerConfig
from plane_anomalib.backbones.text_encoder import ByteTokenizer, TextEncoderConfig
from plane_anomalib.backbones.weights.catalogue import CATALOGUE, WEIGHT_SUFFIXES, CatalogueEntry
from plane_anomalib.backbones.weights.store import builtin_path, missing, usable_path
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
        dtype: In which the encoders are held; bfloat16 halves their memory, see `layers.hold`.
        warn: Whether "random" says that it is untrained.

    Raises:
        WeightsError: If the name is unknown, needs a file, or the file cannot be used.
    """
    name = str(name_or_path)
    if name == "builtin":
        return load_point_language_model(builtin_path(), dtype=dtype)
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


def _published(entry: CatalogueEntry, dtype: torch.dtype) -> PointLanguageModel:
    if not entry.is_backbone:
        backbones = ", ".join(n for n, other in CATALOGUE.items() if other.is_backbone)
        raise WeightsError(
            f'"{entry.name}" is no point-language model: it does not bring whole clouds and texts '
            f"into one space; take builtin, {backbones}, or the path of a weights file."
        )
    path = _usable(entry)
    text = _usable(CATALOGUE[entry.text_entry]) if entry.text_entry else None
    return load_point_language_model(path, text=text, dtype=dtype)


def _usable(entry: CatalogueEntry) -> Path:
    """The file of published weights on this machine."""
    path = usable_path(entry)
    if path is None:
        raise missing(entry)
    return path


logger = logging.getLogger(__name__)

#: Twelve blocks, so that PLANE's layers 2, 5, 8 and 11 exist.
BUILTIN_POINTS = PointTransformerConfig(
    width=192, depth=12, num_heads=6, mlp_ratio=3, stem=64, encoder_width=192
)
BUILTIN_TEXT = TextEncoderConfig(
    width=128,
    depth=4,
    num_heads=4,
    context_length=96,
    vocab_size=ByteTokenizer.vocab_size,
    joint_dim=192,
    activation="gelu",
    tokenizer="bytes",
)


def create_untrained(seed: int = 0, *, warn: bool = True) -> PointLanguageModel:
    """Return a model of the built-in one's shape with random weights, to compare with.

    Args:
        seed: Of the weights.
        warn: Say so loudly; for whoever has the point encoder judge.
    """
    if warn:
        logger.warning(
            'The backbone "random" is UNTRAINED: its weights (seed %d) know nothing about shapes '
            "or words. Scores come from what is trained on top of it.",
            seed,
        )
    return create_random(BUILTIN_POINTS, BUILTIN_TEXT, torch.Generator().manual_seed(seed))


def create_random(
    points: PointTransformerConfig,
    text: TextEncoderConfig,
    generator: torch.Generator,
    *,
    frozen: bool = True,
) -> PointLanguageModel:
    """Return an untrained model whose features are well scaled.

    Args:
        points: EncoderShape of the point encoder.
        text: EncoderShape of the text encoder.
        generator: A CPU generator, the only source of randomness.
        frozen: As in `PointLanguageModel`.
    """
    # Modules made on "meta" draw no numbers from torch's global generator.
    with torch.device("meta"), _NoInitialValues():
        model = PointLanguageModel(points, text, weights="random", frozen=frozen)
    if _VALUES_FOLLOW.get():
        made = model.state_dict().items()
        blank = {name: torch.empty(t.shape, dtype=t.dtype) for name, t in made}
        model.load_state_dict(blank, assign=True)
        return model
    depths = {"points": points.depth, "text": text.depth}
    state = {
        name: _initial(name, tensor, depths.get(name.split(".")[0], 1), generator)
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(state, assign=True)
    _calibrate(model.points, generator)
    return model


_VALUES_FOLLOW: ContextVar[bool] = ContextVar("values_follow", default=False)


@contextmanager
def values_follow() -> Iterator[None]:
    """Whoever makes an untrained model within loads all of its values afterwards.

    Drawing them, and the statistics that go with them, would take half a second for nothing.
    """
    token = _VALUES_FOLLOW.set(True)
    try:
        yield
    finally:
        _VALUES_FOLLOW.reset(token)


class _NoInitialValues(TorchFunctionMode):
    """Modules made within get no initial values.

    On "meta" there are none to draw, and to draw them torch would import its compiler: 1.5 s and
    290 MB.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        del types
        given = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return given["tensor"] if "tensor" in given else args[0]
        return func(*args, **given)


def _initial(name: str, like: Tensor, depth: int, generator: torch.Generator) -> Tensor:
    """The untrained value of one tensor, by its name."""
    shape, last = like.shape, name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return torch.zeros(shape, dtype=like.dtype)
    if last == "running_var" or (last == "weight" and len(shape) == 1):
        return torch.ones(shape)
    noise = torch.randn(shape, generator=generator)
    if last in {"bias", "running_mean"}:
        # Spread thresholds let the first layers tell near points from far ones.
        spread = last == "bias" and ("encoder.norm" in name or "position.0" in name)
        return 0.5 * noise if spread else torch.zeros(shape)
    if len(shape) == 3 or "token_embedding" in name or name == "text.position":
        return 0.02 * noise
    fan_in = shape[0] if "projection" in name else shape[1]
    scale = fan_in**-0.5
    if name.endswith(("attn.proj.weight", "mlp.fc2.weight")):
        scale *= (2 * depth) ** -0.5
    elif name.endswith("position.2.weight"):
        # The position is added before every block: its share must not grow with the depth.
        scale *= 2 / depth
    return scale * noise


def _calibrate(encoder: PointTransformer, generator: torch.Generator) -> None:
    """Set the statistics of the batch normalisations from smooth synthetic clouds."""
    points = _synthetic_clouds(8, 2048, generator)
    _, index = encoder.group(points, num_groups=128)
    centers = points.gather(1, index[:, :, :1].flatten(1)[..., None].expand(-1, -1, 3))
    groups = points.gather(1, index.flatten(1)[..., None].expand(-1, -1, 3))
    groups = groups.view(*index.shape, 3) - centers[:, :, None]
    norms = (encoder.encoder.norm1, encoder.encoder.norm2)
    was_training = encoder.training
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        encoder.encoder.train()(groups.flatten(0, 1))
    for norm in norms:
        norm.momentum = 0.1
    encoder.train(was_training)


def _synthetic_clouds(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Surfaces of `count` lumpy ellipsoids in the unit sphere, (count, size, 3) float32."""
    directions = torch.randn(count, size, 3, generator=generator)
    directions = directions / directions.norm(dim=-1, keepdim=True)
    waves = 4 * torch.randn(count, 3, 4, generator=generator)
    radius = 1 + 0.1 * torch.sin(directions @ waves).sum(-1, keepdim=True)
    axes = 0.3 + 0.7 * torch.rand(count, 1, 3, generator=generator)
    points = directions * radius * axes
    points = points - points.mean(1, keepdim=True)
    return points / points.norm(dim=-1).amax(1)[:, None, None]
