"""Clouds to measure speed on: samples of a built-in shape, as a scanner would give them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.generation.procedural_shapes import REACH
from plane_anomalib.generation.shapes.nominal_objects import NOMINAL_OBJECTS
from plane_anomalib.generation.surfaces import Surface

Cloud = NDArray[np.float32]

LENGTH = 30.0


def clouds(points: int, number: int) -> Iterator[Cloud]:
    """Samples of one shape, `LENGTH` units long, each with noise of its own."""
    generator = np.random.default_rng(0)
    surface = Surface(NOMINAL_OBJECTS["cup0"](), REACH, generator)
    for _ in range(number):
        sample = surface.sample(1.1 * points / surface.area, generator)[0][:points]
        yield (LENGTH * (sample + 5e-4 * generator.normal(size=sample.shape))).astype(np.float32)
