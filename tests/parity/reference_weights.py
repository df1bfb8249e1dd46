"""Deterministic weights for parity checks: the same name, shape and seed give the same tensor."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

DATA = Path(__file__).parent / "data"


def reference_state(case: str, seed: int) -> dict[str, Tensor]:
    """Return the official state dict (without any `module.`) that made `data/<case>.npz`."""
    keys = json.loads((DATA / f"{case}_keys.json").read_text())
    state = {name: torch.as_tensor(_fill(name, tuple(s), seed)) for name, (s, _) in keys.items()}
    if "logit_scale" in state:
        state["logit_scale"] = torch.tensor(1 / 0.07).log()
    return state


def _fill(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    generator = np.random.RandomState((zlib.crc32(name.encode()) ^ seed) & 0xFFFFFFFF)
    noise = np.asarray(generator.standard_normal(shape), np.float32)
    last = name.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if last == "running_var":
        return (1 + 0.1 * np.abs(noise)).astype(np.float32)
    if last in {"bias", "running_mean", "in_proj_bias"}:
        return (0.02 * noise).astype(np.float32)
    if len(shape) <= 1:
        return (1 + 0.05 * noise).astype(np.float32)
    return (noise * min(0.08, int(np.prod(shape[1:])) ** -0.5)).astype(np.float32)
