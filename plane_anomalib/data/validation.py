"""A validation set without a look at the test set: held-out normals and synthetic anomalies.

Both benchmarks give four normal clouds per category and no validation set. Some of them (one of
four) are held out of training, category by category. Each held-out cloud is drawn from several
times: a random 80 to 100 % of its points, as it is (normal) or corrupted by an anomaly transform
(anomalous). Both kinds go through the same draw, so neither density nor size tells them apart.

What this cannot show: variation between specimens beyond the held-out ones, and defects unlike the
transform's. Thresholds found on it are honest, not optimal.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.settings import check_share
from plane_anomalib.generation.defects.corruption import AnomalyTransform

logger = logging.getLogger(__name__)


MAX_POINTS = 200_000
"""Points of a validation cloud at most: full scans of millions would make each epoch crawl."""

NOT_SYNTHETIC = -1
_KEPT_SHARE = (0.8, 1.0)
_LEAST_CLOUDS_PER_LABEL = 16
_ATTEMPTS = 10


def hold_out(categories: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Split row numbers into training and held-out ones, category by category.

    Args:
        categories: Of each row.
        share: Of each category's clouds, to be held out: at least one, never all.
        seed: Chooses which.

    Returns:
        Training and held-out row numbers, each sorted. A category with a single cloud has none
        held out.

    Raises:
        ConfigurationError: The share is not between 0 and 1.
    """
    check_share(share)
    members: dict[str, list[int]] = defaultdict(list)
    for number, category in enumerate(categories):
        members[str(category)].append(number)
    held: list[int] = []
    for category in sorted(members):
        group = np.array(members[category])
        number = min(max(1, round(share * len(group))), len(group) - 1)
        generator = np.random.default_rng([seed, zlib.crc32(category.encode())])
        held += generator.permutation(group)[:number].tolist()
    return sorted(set(range(len(categories))) - set(held)), sorted(held)


def split_rows(categories: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Hold some clouds out; a category's only cloud is on both sides, with a warning.

    Args:
        categories: Of each row.
        share: See `hold_out`.
        seed: Chooses which.

    Returns:
        Training and held-out row numbers, each sorted.
    """
    kept, held = hold_out(categories, share, seed)
    lonely = set(categories) - {categories[number] for number in held}
    if lonely:
        logger.warning(
            "%s: one cloud only, so it trains and validates: thresholds are optimistic.",
            ", ".join(sorted(lonely)),
        )
        held = sorted({*held, *(i for i, name in enumerate(categories) if name in lonely)})
    return kept, held


def synthetic_draws(held_out: int, variants: int | None) -> list[tuple[int, int]]:
    """Which draws are made of every held-out cloud.

    Args:
        held_out: How many clouds there are.
        variants: Draws per held-out cloud and label; by default as many as give at least 16
            normal and 16 anomalous clouds.

    Returns:
        Pairs of a variant, 0.., and a label, 0 or 1.
    """
    count = variants or max(1, math.ceil(_LEAST_CLOUDS_PER_LABEL / max(1, held_out)))
    return [(variant, label) for variant in range(count) for label in (0, 1)]


def variant_generator(seed: int, name: str, variant: int, label: int) -> np.random.Generator:
    """The generator of one validation cloud, the same whatever other categories are loaded."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), variant, label])


def draw_variant(
    points: NDArray[np.float32],
    transform: AnomalyTransform | None,
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
