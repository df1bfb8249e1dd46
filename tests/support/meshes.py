"""Closed meshes whose surface is known exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from plane_anomalib.generation.closed_mesh import ClosedMesh

Array = NDArray[np.float64]
BLOCK = np.array([1.0, 0.7, 0.5])
RING, TUBE = 0.35, 0.15


def ball() -> Any:
    """Radius one half; the facets lie up to 0.0002 inside."""
    return trimesh.creation.icosphere(subdivisions=5, radius=0.5)


def block() -> Any:
    """Twelve triangles with sharp edges."""
    return trimesh.creation.box(extents=BLOCK)


def ring() -> Any:
    """Torus around z."""
    return trimesh.creation.torus(RING, TUBE, major_sections=256, minor_sections=96)


def angle_bracket() -> Any:
    """An L of two plates, with an inner edge."""
    corners = [(0, 0), (1, 0), (1, 0.2), (0.2, 0.2), (0.2, 0.8), (0, 0.8)]
    faces = [(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 5)]
    return trimesh.creation.extrude_triangulation(np.array(corners), np.array(faces), height=0.5)


def closed(mesh: Any) -> ClosedMesh:
    """As if read from a file."""
    return ClosedMesh(mesh, "made.stl", "0" * 64, 1.0)


def save(mesh: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    mesh.export(path)
    return path


def off_block(points: Array) -> Array:
    """Signed distance to the block."""
    beyond = np.abs(points) - BLOCK / 2
    outside = np.linalg.norm(np.maximum(beyond, 0), axis=1)
    return outside + np.minimum(beyond.max(axis=1), 0)


def off_ring(points: Array) -> Array:
    """Signed distance to the ring."""
    around = np.hypot(points[:, 0], points[:, 1]) - RING
    return np.hypot(around, points[:, 2]) - TUBE


def off_ball(points: Array) -> Array:
    """Signed distance to the ball."""
    return np.linalg.norm(points, axis=1) - 0.5
