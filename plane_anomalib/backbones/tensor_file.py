"""Tensors from a file, without executing anything in it."""

from __future__ import annotations

import argparse
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.files import replaced

_MAPPED_BYTES = 128 * 2**20


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors of a checkpoint without executing anything in it.

    Args:
        path: A .safetensors file or a torch checkpoint.

    Returns:
        Tensors by name, without any leading `module.`, and the metadata of a safetensors file.

    Raises:
        WeightsError: If the file is missing, damaged, not safe, or holds no tensors.
    """
    if not path.is_file():
        raise WeightsError(
            f"{path}: there is no such weights file; check the path, or fetch one: `plane-anomalib "
            "weights list` names them."
        )
    state: Mapping[str, Any]
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
    else:
        state, metadata = _read_torch(path), {}
    tensors = {
        re.sub(r"^(module\.)+", "", str(name)): value
        for name, value in state.items()
        if isinstance(value, Tensor)
    }
    if not tensors:
        raise WeightsError(
            f"{path}: there are no tensors in this file; give a checkpoint with a model's weights."
        )
    return tensors, metadata


def stream_tensors(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Tensor]]:
    """Go through some of the tensors of a checkpoint, however large the file is.

    The file is mapped into memory, and mapped anew after every 128 MB, so that what was
    read does not stay there. Copy what is to be kept.

    Args:
        path: A .safetensors file or a torch checkpoint.
        wanted: Chooses by name, without any leading `module.`.

    Yields:
        Name and tensor.

    Raises:
        WeightsError: If the file is missing, damaged or not safe.
    """
    done = 0
    while True:
        state, _ = read_tensors(path)
        names = [name for name in state if wanted(name)][done:]
        taken = 0
        while names and taken < _MAPPED_BYTES:
            name = names.pop(0)
            taken += state[name].nbytes
            done += 1
            yield name, state[name]
        if not names:
            return


def write_tensors(path: Path, state: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors as one safetensors file, whole or not at all.

    Args:
        path: The file, replaced only once the new one is complete.
        state: Tensors by name.
        metadata: About them.
    """
    from safetensors.torch import save_file

    contiguous = {name: tensor.contiguous() for name, tensor in state.items()}
    with replaced(path) as temporary:
        save_file(contiguous, temporary, metadata=metadata)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path}: this is not a complete safetensors file ({error}); fetch it again."
        ) from error


def _load(path: Path) -> Any:
    # Mapped, not read: what nobody looks at takes no memory. Old files are no zip archives.
    mapped = zipfile.is_zipfile(path)
    return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _refused(error: UnpicklingError) -> str:
    """The cause within torch's explanation, without its advice to read the file carelessly."""
    called = re.search(r"GLOBAL ([\w.]+)", str(error))
    if called:
        return f"reading it could run code: it wants to use {called[1]}"
    return "it is no checkpoint, or holds more than tensors, numbers and a command line"


def _harmless() -> list[Any]:
    """What published checkpoints hold beside tensors: their command line, and NumPy's numbers.

    The numbers are learning rates and scores; NumPy 1 and 2 write their maker under two names.
    """
    number = np.float64(0.0).__reduce__()[0]
    kinds = (np.float64, np.float32, np.int64, np.int32, np.bool_)
    return [
        argparse.Namespace,
        np.dtype,
        *(type(np.dtype(kind)) for kind in kinds),
        (number, "numpy.core.multiarray.scalar"),
        (number, "numpy._core.multiarray.scalar"),
    ]


def _read_torch(path: Path) -> Mapping[str, Any]:
    try:
        with torch.serialization.safe_globals(_harmless()):
            content = _load(path)
    except UnpicklingError as error:
        raise WeightsError(
            f"{path}: refused, because {_refused(error)}; give a file of plain tensors."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).split("\n", 1)[0].strip()
        raise WeightsError(
            f"{path}: this is not a complete torch checkpoint ({reason}); fetch it again."
        ) from error
    head = content.get("proj") if isinstance(content, Mapping) else None
    if isinstance(head, Mapping) and isinstance(content.get("model"), Mapping):
        # PatchAlign3D keeps its projection beside the encoder.
        return {**content["model"], **{f"patch_{name}": value for name, value in head.items()}}
    for key in ("state_dict", "base_model", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise WeightsError(
            f"{path}: there are no named tensors in this file; give a checkpoint with a model's "
            "weights."
        )
    return content
