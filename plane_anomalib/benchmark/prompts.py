"""Text prompts of a trained model, kept beside its result for the report's map of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.core.files import replaced
from plane_anomalib.core.results import ResultsError

PROMPTS_FILE = "prompts.npz"


@dataclass(frozen=True, eq=False)
class PromptEmbeddings:
    """What a model's two text prompts mean for each category.

    Attributes:
        categories: C names.
        normal: `(C, D) float32`.
        anomalous: `(C, D) float32`.
    """

    categories: list[str]
    normal: NDArray[np.float32]
    anomalous: NDArray[np.float32]


def write_prompts(
    folder: Path, categories: Sequence[str], normal: ArrayLike, anomalous: ArrayLike
) -> Path:
    """Write a job's prompts into its folder.

    Args:
        folder: The job's folder, that of `result.json`.
        categories: C names.
        normal: `(C, D)` embeddings of the normal prompts.
        anomalous: `(C, D)` embeddings of the anomalous ones.

    Returns:
        The file.

    Raises:
        ResultsError: The shapes do not fit, or a number is not finite.
    """
    found = PromptEmbeddings(
        list(categories), np.asarray(normal, np.float32), np.asarray(anomalous, np.float32)
    )
    target = folder / PROMPTS_FILE
    _check(found, target)
    with replaced(target) as temporary:
        np.savez_compressed(
            temporary,
            categories=np.array(found.categories, dtype=np.str_),
            normal=found.normal,
            anomalous=found.anomalous,
        )
    return target


def read_prompts(folder: Path) -> PromptEmbeddings | None:
    """Read a job's prompts; None if it has none.

    Raises:
        ResultsError: The file is damaged.
    """
    file = folder / PROMPTS_FILE
    if not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = PromptEmbeddings(
                [str(name) for name in arrays["categories"]],
                arrays["normal"].astype(np.float32),
                arrays["anomalous"].astype(np.float32),
            )
    except Exception as error:  # a damaged archive fails in many ways
        raise ResultsError(
            f"{file}: cannot be read ({error}); delete its job's folder to run the job again."
        ) from error
    _check(found, file)
    return found


def _check(found: PromptEmbeddings, file: Path) -> None:
    shape = found.normal.shape
    fits = len(shape) == 2 and shape == found.anomalous.shape and shape[0] == len(found.categories)
    if not fits or not shape[0]:
        raise ResultsError(
            f"{file}: {len(found.categories)} categories do not fit prompts of shapes {shape} and "
            f"{found.anomalous.shape}; delete its job's folder to run the job again."
        )
    if not (np.isfinite(found.normal).all() and np.isfinite(found.anomalous).all()):
        raise ResultsError(
            f"{file}: a number is not finite; delete its job's folder to run the job again."
        )
