"""A map of text prompts: normal and anomalous ones of every category in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plane_anomalib.benchmark.leaderboard import Leaderboard, row_key
from plane_anomalib.benchmark.report.charts import Drawing, Labels, clipped
from plane_anomalib.core.files import replaced
from plane_anomalib.core.results import ResultsError
from plane_anomalib.models.components.method import EmbeddedPrompts

PROMPTS_FILE = "prompts.npz"


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
    found = EmbeddedPrompts(
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


def read_prompts(folder: Path) -> EmbeddedPrompts | None:
    """Read a job's prompts; None if it has none.

    Raises:
        ResultsError: The file is damaged.
    """
    file = folder / PROMPTS_FILE
    if not file.exists():
        return None
    try:
        with np.load(file, allow_pickle=False) as arrays:
            found = EmbeddedPrompts(
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


def _check(found: EmbeddedPrompts, file: Path) -> None:
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


@dataclass(frozen=True)
class PromptMap:
    """One picture: whose prompts, and how much of their variance it shows."""

    title: str
    picture: str
    note: str


def prompt_maps(board: Leaderboard, folder: Path) -> tuple[list[PromptMap], list[str]]:
    """Draw the prompts of every row and set of data that kept them, those of its first seed.

    Args:
        board: All results.
        folder: The folder of results.

    Returns:
        The pictures, and what could not be read.
    """
    found: dict[tuple[str, str], tuple[int, list[EmbeddedPrompts]]] = {}
    problems = []
    for result in board.results:
        try:
            prompts = read_prompts(folder / result.job_id)
        except ResultsError as error:
            problems.append(f"Text prompts are not shown: {error}")
            continue
        if prompts is None:
            continue
        place = board.label(row_key(result)), result.job.column
        seed, parts = found.setdefault(place, (result.job.seed, []))
        if seed == result.job.seed and all(
            part.normal.shape[1] == prompts.normal.shape[1] for part in parts
        ):
            parts.append(prompts)
    maps = [
        _draw(f"{label} on {column}, seed {seed}", parts)
        for (label, column), (seed, parts) in sorted(found.items())
    ]
    return maps, problems


def project(vectors: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Principal components of unit vectors, by singular values.

    Args:
        vectors: `(N, D)`, of any length but zero.

    Returns:
        `(N, 2)`, the sign of each axis such that its largest entry is positive; and the share of
        the variance that the two hold, 1 where nothing varies.
    """
    values = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    values = values / np.maximum(norms, 1e-12)
    centered = values - values.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centered, full_matrices=False)
    places = np.zeros((len(values), 2))
    kept = min(2, left.shape[1])
    places[:, :kept] = left[:, :kept] * sizes[:kept]
    largest = np.abs(places).argmax(axis=0)
    places *= np.where(places[largest, [0, 1]] < 0, -1.0, 1.0)
    total = float((sizes**2).sum())
    return places, float((sizes[:2] ** 2).sum() / total) if total > 0 else 1.0


def _draw(title: str, parts: Sequence[EmbeddedPrompts]) -> PromptMap:
    names = [name for part in parts for name in part.categories]
    normal = np.concatenate([part.normal for part in parts])
    anomalous = np.concatenate([part.anomalous for part in parts])
    places, share = project(np.concatenate([normal, anomalous]))
    width, height, edge = 560.0, 380.0, 46.0
    drawing = Drawing(width, height, f"Text prompts of {title}")
    low, high = places.min(axis=0), places.max(axis=0)
    # One scale for both axes: distances are to be compared.
    scale = min(
        (width - 2 * edge) / max(high[0] - low[0], 1e-12),
        0.0 + (height - 2 * edge) / max(high[1] - low[1], 1e-12),
    )
    middle = (low + high) / 2
    spots = [
        (width / 2 + (x - middle[0]) * scale, height / 2 - (y - middle[1]) * scale)
        for x, y in places
    ]
    labels = Labels(drawing, spots)
    count = len(names)
    for index in range(count):
        drawing.line(spots[index], spots[count + index], "stem")
    for index, name in enumerate(names):
        drawing.circle(spots[index], 5, "normal", f"{name}, normal")
        drawing.triangle(spots[count + index], 6, "anomalous", f"{name}, anomalous")
    for index, name in enumerate(names):
        labels.put(spots[index], clipped(name, 120))
    note = (
        f"Unit embeddings of the normal (circle) and the anomalous prompt (triangle) of each "
        f"category; two principal components, {share:.0%} of the variance."
    )
    return PromptMap(title, drawing.markup(), note)
