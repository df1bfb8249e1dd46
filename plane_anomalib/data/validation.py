"""A validation set without a look at the test set: held-out normals and synthetic anomalies.

Both benchmarks give four normal clouds per category and no validation set. Some of them (one of
four) are held out of training, category by category. Each held-out cloud is drawn from several
times: a random 80 to 100 % of its points, as it is (normal) or corrupted by an anomaly transform
(anomalous). Both kinds go through the same draw, so neither density nor size tells them apart.

What this cannot show: variation between specimens beyond the held-out ones, and defects unlike the
transform's. Thresholds found on it are honest, not optimal.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError


class CorruptedCloud(Protocol):
    """What an anomaly transform gives back."""

    @property
    def points(self) -> NDArray[np.float32]:
        """`(M, 3)`."""

    @property
    def mask(self) -> NDArray[np.bool_]:
        """`(M,)`, true on anomalous points."""

    @property
    def kind(self) -> str:
        """The kind of defect."""


AnomalyFunction = Callable[[NDArray[np.float32], np.random.Generator], CorruptedCloud]
"""`(points (N, 3), generator)` to a corrupted cloud; see `plane_anomalib.generation.defects`."""

MAX_POINTS = 200_000
"""Points of a validation cloud at most: full scans of millions would make each epoch crawl."""

NOT_SYNTHETIC = -1
_KEPT_SHARE = (0.8, 1.0)
_LEAST_CLOUDS_PER_LABEL = 16
_ATTEMPTS = 10


def hold_out(samples: pd.DataFrame, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Split row numbers into training and held-out ones, category by category.

    Args:
        samples: Rows with `category`.
        share: Of each category's clouds, to be held out: at least one, never all.
        seed: Chooses which.

    Returns:
        Training and held-out row numbers, each sorted. A category with a single cloud has none
        held out.
    """
    if not 0 < share < 1:
        msg = f"val_split_ratio must be between 0 and 1, not {share}."
        raise ConfigurationError(msg)
    held: list[int] = []
    for category, group in samples.reset_index(drop=True).groupby("category", sort=True):
        number = min(max(1, round(share * len(group))), len(group) - 1)
        generator = np.random.default_rng([seed, zlib.crc32(str(category).encode())])
        held += generator.permutation(group.index.to_numpy())[:number].tolist()
    return sorted(set(range(len(samples))) - set(held)), sorted(held)


def synthetic_rows(held_out: pd.DataFrame, variants: int | None) -> pd.DataFrame:
    """List the validation clouds to be made from the held-out ones.

    Args:
        held_out: Rows of normal clouds.
        variants: Draws per held-out cloud and label; by default as many as give at least 16
            normal and 16 anomalous clouds.

    Returns:
        Rows with `variant` 0.. and `label_index` 0 or 1.
    """
    count = variants or max(1, math.ceil(_LEAST_CLOUDS_PER_LABEL / max(1, len(held_out))))
    parts = [
        held_out.assign(
            variant=variant,
            label_index=label,
            defect="synthetic" if label else "good",
            split="val",
        )
        for variant in range(count)
        for label in (0, 1)
    ]
    rows = pd.concat(parts, ignore_index=True)
    rows.attrs = {**held_out.attrs, "task": "segmentation"}
    return rows


def variant_generator(seed: int, name: str, variant: int, label: int) -> np.random.Generator:
    """The generator of one validation cloud, the same whatever other categories are loaded."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), variant, label])


def draw_variant(
    points: NDArray[np.float32],
    transform: AnomalyFunction | None,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], str]:
    """Draw a validation cloud from a held-out normal one.

    Args:
        points: `(N, 3)`.
        transform: Corrupts the drawn points; `None` leaves them normal.
        generator: The source of randomness.

    Returns:
        Points `(M, 3)`, labels `(M,)` and the kind of defect.

    Raises:
        ConfigurationError: The transform marks no point (or every one) time after time.
    """
    most = min(len(points), MAX_POINTS)
    number = max(1, round(float(generator.uniform(*_KEPT_SHARE)) * most))
    drawn = points[np.sort(generator.choice(len(points), number, replace=False))]
    if transform is None:
        return drawn, np.zeros(number, np.bool_), "good"
    for _ in range(_ATTEMPTS):
        cloud = transform(drawn, generator)
        mask = np.asarray(cloud.mask, np.bool_)
        if mask.any() and not mask.all():
            return np.asarray(cloud.points, np.float32), mask, cloud.kind
    msg = (
        f"the anomaly transform {transform!r} marked no region in {_ATTEMPTS} attempts: give one "
        "that marks points."
    )
    raise ConfigurationError(msg)


def default_anomaly() -> AnomalyFunction:
    """The paper's Ano3D, imported when a validation set is made.

    In the cloud's own pose and size: the normal clouds keep theirs, so anything else would tell
    the two apart.
    """
    from plane_anomalib.generation.defects.ano3d import Ano3D

    mix = {"bulge": 0.4, "concavity": 0.4, "hole": 0.2}
    return Ano3D(mix, rotation="none", renormalise=False)
