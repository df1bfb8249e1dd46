"""A backbone by name or by file."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from plane_anomalib.backbones.checkpoint import WEIGHT_SUFFIXES
from plane_anomalib.backbones.load import load_point_language_model, load_point_transformer
from plane_anomalib.backbones.point_language import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.errors import WeightsError

_ULIP = (
    "from the Hugging Face dataset repository SFXX/ulip, folder ULIP-2/pretrained_models "
    "(research purposes only)"
)
#: Published models that need a file, and where it comes from.
_PUBLISHED = {
    "ulip2-xyz": f"ULIP-2-PointBERT-8k-xyz-pc-slip_vit_b-objaverse-pretrained.pt {_ULIP}",
    "ulip2-xyzrgb": (
        f"ULIP-2-PointBERT-10k-xyzrgb-pc-vit_g-objaverse_shapenet-pretrained.pt {_ULIP}"
    ),
}

#: Published point encoders without a text side, as M3DM, PatchCore and Reg3DAD use them.
_ENCODERS = {
    "point-mae": "pretrain.pth from the releases of the repository Pang-Yatian/Point-MAE",
    "point-bert": "Point-BERT.pth from the repository Julie-tang00/Point-BERT",
}


def create_point_encoder(
    name: str = "builtin", path: str | Path | None = None, *, seed: int = 0
) -> PointTransformer:
    """Return a frozen point encoder alone.

    Args:
        name: "builtin", "point-mae", "point-bert", the name of a point-language model, or the path
            of a weights file.
        path: The file of a published encoder.
        seed: Seed of the built-in model's weights where it has no trained ones.

    Raises:
        WeightsError: If the name is unknown, needs a file, or the file cannot be used.
    """
    if path is not None:
        return load_point_transformer(path)
    if name in _ENCODERS:
        raise WeightsError(
            f'The weights of "{name}" do not come with this package: get {_ENCODERS[name]} and '
            'give its path as weights=..., or take "builtin".'
        )
    if Path(name).suffix in WEIGHT_SUFFIXES:
        return load_point_transformer(Path(name).expanduser())
    return create_backbone(name, seed=seed).points


def create_backbone(name_or_path: str | Path = "builtin", *, seed: int = 0) -> PointLanguageModel:
    """Return a frozen point-language model.

    Args:
        name_or_path: "builtin", or the path of a checkpoint: ULIP's layout (.pt, .safetensors) or
            a file written by `save_point_language_model`.
        seed: Seed of the built-in model's weights where it has no trained ones.

    Raises:
        WeightsError: If the name is unknown, needs a file, or the file cannot be used.
    """
    name = str(name_or_path)
    if name == "builtin":
        return PointLanguageModel.builtin(seed)
    if name in _PUBLISHED:
        raise WeightsError(
            f'The weights of "{name}" do not come with this package: get {_PUBLISHED[name]} and '
            "give its path instead of the name."
        )
    path = Path(name).expanduser()
    if isinstance(name_or_path, Path) or path.suffix in WEIGHT_SUFFIXES or path.exists():
        return load_point_language_model(path)
    known = ["builtin", *_PUBLISHED]
    close = get_close_matches(name.lower(), known, n=1)
    hint = f' (did you mean "{close[0]}"?)' if close else ""
    raise WeightsError(
        f'There is no backbone "{name}"{hint}: choose one of {", ".join(known)} or give the path '
        "of a weights file."
    )
