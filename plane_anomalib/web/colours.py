"""Colours for scores and masks that survive shading and colour-blindness.

Scores are drawn on shaded surfaces, where brightness already tells the shape. So the score sits
mostly in hue: slate blue below the threshold, light grey at it, orange to deep red above it (the
blue-orange axis is the one that protanopes and deuteranopes see). Steps are even in Oklab, a
perceptually uniform space (Ottosson 2020, https://bottosson.github.io/posts/oklab/).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import ConfigurationError

#: Surface without any marking, unknown scores included.
NEUTRAL = (176, 181, 189)
#: Ground-truth defect (Okabe and Ito's vermilion); a missed defect keeps this colour.
DEFECT = (213, 94, 0)
#: Predicted and true (bluish green).
FOUND = (0, 158, 115)
#: Predicted and not true (blue).
FALSE_ALARM = (0, 114, 178)

# (position, lightness, chroma, hue in degrees) in Oklch; 0.5 is the threshold.
_ANCHORS = (
    (0.00, 0.56, 0.080, 252.0),
    (0.30, 0.71, 0.052, 245.0),
    (0.50, 0.88, 0.012, 100.0),
    (0.62, 0.83, 0.125, 82.0),
    (0.80, 0.67, 0.185, 50.0),
    (1.00, 0.46, 0.180, 27.0),
)


def _oklab_to_srgb(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert `(..., 3)` Oklab to sRGB in [0, 1], clipped to the gamut."""
    to_lms = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip((lab @ to_lms.T) ** 3 @ to_rgb.T, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@lru_cache(maxsize=1)
def score_palette() -> NDArray[np.uint8]:
    """The score colours, `(256, 3) uint8`: entry 128 belongs to the threshold."""
    position, lightness, chroma, hue = np.array(_ANCHORS).T
    angle = np.deg2rad(hue)
    lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], axis=1)
    steps = np.linspace(0.0, 1.0, 256)
    even = np.stack([np.interp(steps, position, lab[:, axis]) for axis in range(3)], axis=1)
    palette = np.round(_oklab_to_srgb(even) * 255).astype(np.uint8)
    palette.setflags(write=False)
    return palette


@dataclass(frozen=True)
class ScoreScale:
    """How raw scores become colours, shared by every cloud of a run.

    Attributes:
        low: Score drawn in the coldest colour, and every score below it.
        center: Score drawn in grey: the threshold where there is one.
        high: Score drawn in the hottest colour, and every score above it.
        threshold: Score above which a point is called anomalous; `None` where unknown.
    """

    low: float
    center: float
    high: float
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.center < self.high:
            msg = f"A score scale needs low < center < high, not {self.low}, {self.center}, "
            raise ConfigurationError(msg + f"{self.high}.")

    @classmethod
    def fit(
        cls,
        scores: Iterable[NDArray[np.floating]],
        threshold: float | None = None,
        quantiles: tuple[float, float] = (0.02, 0.998),
    ) -> ScoreScale:
        """Take the range from the pooled scores, so that a few outliers do not stretch it.

        Args:
            scores: Scores of each cloud, any shapes; non-finite ones are left out.
            threshold: Score that parts normal from anomalous. Always inside the range: if no
                score reaches it, everything is drawn cold.
            quantiles: Share of the pooled scores below the coldest and the hottest colour.
        """
        parts = [np.ravel(part).astype(np.float64) for part in scores]
        pooled = np.concatenate([*parts, np.empty(0)])
        pooled = pooled[np.isfinite(pooled)]
        low, high = np.quantile(pooled, quantiles).tolist() if len(pooled) else (0.0, 1.0)
        known = threshold is not None and bool(np.isfinite(threshold))
        middle = float(threshold) if threshold is not None and known else (low + high) / 2
        # Wide enough for double precision to tell its ends apart.
        span = max(high - low, 1e-6 * max(abs(low), abs(high), abs(middle)), 1e-12)
        low, high = min(low, middle - 0.25 * span), max(high, middle + 0.25 * span)
        return cls(low, middle, high, middle if known else None)

    def fraction(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Map scores to [0, 1], the center to 0.5, linearly on either side; NaN stays NaN."""
        return np.interp(
            scores, [self.low, self.center, self.high], [0.0, 0.5, 1.0], left=0.0, right=1.0
        )

    def colours(self, scores: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Colour scores `(N,)` as `(N, 3) uint8`; a score that is not a number is neutral."""
        fraction = self.fraction(np.asarray(scores, dtype=np.float64))
        unknown = ~np.isfinite(fraction)
        entries = np.round(np.where(unknown, 0.0, fraction) * 255).astype(np.intp)
        coloured = score_palette()[entries]
        coloured[unknown] = NEUTRAL
        return coloured


def mask_colours(mask: NDArray[np.bool_], marked: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Colour `(N,)` bool as `(N, 3) uint8`: `marked` where true, else neutral."""
    return np.array([NEUTRAL, marked], dtype=np.uint8)[mask.astype(np.intp)]


def agreement_colours(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_] | None
) -> NDArray[np.uint8]:
    """Colour a predicted mask by whether it is right.

    Args:
        predicted: `(N,) bool`.
        truth: `(N,) bool`, or `None` where unknown: then every predicted point is vermilion.

    Returns:
        `(N, 3) uint8`: found, missed (as in the ground truth), false alarm, or neutral.
    """
    if truth is None:
        return mask_colours(predicted, DEFECT)
    table = np.array([NEUTRAL, DEFECT, FALSE_ALARM, FOUND], dtype=np.uint8)
    return table[2 * predicted.astype(np.intp) + truth]
