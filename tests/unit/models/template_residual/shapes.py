"""Small bodies with known surfaces for the tests of TemplateResidual."""

from __future__ import annotations

import numpy as np


def lump(generator: np.random.Generator, num: int) -> np.ndarray:
    """A star-shaped body without any symmetry."""
    directions = generator.normal(size=(num, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    x, y, z = directions.T
    radius = 0.6 + 0.25 * x + 0.15 * y * z + 0.2 * x * y + 0.12 * z**3 + 0.1 * np.sin(4 * y + x)
    return np.asarray(directions * radius[:, None], np.float32)


def with_bump(points: np.ndarray, height: float = 0.06) -> tuple[np.ndarray, np.ndarray]:
    """Push a round patch outward; also which points moved."""
    place = points[np.argmax(points[:, 0])]
    distance = np.linalg.norm(points - place, axis=1)
    rise = height * np.clip(1 - (distance / 0.2) ** 2, 0, None)
    outward = points / np.linalg.norm(points, axis=1, keepdims=True)
    moved = np.abs(rise) > 0.2 * abs(height)
    return np.asarray(points + rise[:, None] * outward, np.float32), moved


def wall(generator: np.random.Generator, num: int, thickness: float) -> np.ndarray:
    """Two parallel unit squares, closer to each other than their points are."""
    points = np.column_stack([generator.random((num, 2)), np.zeros(num)])
    points[generator.random(num) < 0.5, 2] = thickness
    return np.asarray(points, np.float32)
