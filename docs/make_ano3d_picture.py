"""Draw docs/images/ano3d.png: one vase, one panel per synthetic defect.

Usage: `python docs/make_ano3d_picture.py [output.png]`
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from plane_anomalib.generation.defects.ano3d import Ano3D
from plane_anomalib.generation.defects.corruption import AnomalyTransform, SyntheticCloud
from plane_anomalib.generation.defects.mixture import DefectMix
from plane_anomalib.geometry.normals import point_normals
from plane_anomalib.geometry.points import unit_sphere

Array = NDArray[np.float64]

PAPER = ("normal", "rotation", "bulge", "concavity", "hole")
EXTENDED = ("ridge", "lump", "scratch", "crack", "bend")
TITLES = {"normal": "normal", "rotation": "rotation (normal)"}
NUM_POINTS = 32_000
AZIMUTH, ELEVATION = np.deg2rad(35.0), np.deg2rad(22.0)
LIGHT = np.array([-0.75, 0.45, 0.5])
DEFECT = np.array([0.95, 0.36, 0.22])
SURFACE = np.array([0.60, 0.72, 0.82])


def vase(num: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """A closed-bottom vase with a lip, sampled evenly by area."""
    t = np.linspace(0, 1, 400)
    radius = 0.36 + 0.26 * np.sin(2.9 * t**0.9 + 0.25) - 0.16 * t + 0.16 * t**8
    radius *= np.minimum(1, np.sqrt(t / 0.02))
    profile = np.stack([radius, 1.9 * t], 1)
    lengths = np.linalg.norm(np.diff(profile, axis=0), axis=1)
    areas = lengths * (profile[1:, 0] + profile[:-1, 0])
    total = np.concatenate([[0], np.cumsum(areas)])
    place = np.interp(generator.uniform(0, total[-1], num), total, np.arange(len(total)))
    r = np.interp(place, np.arange(len(t)), profile[:, 0])
    height = np.interp(place, np.arange(len(t)), profile[:, 1])
    angle = generator.uniform(0, 2 * np.pi, num)
    return np.stack([r * np.cos(angle), r * np.sin(angle), height], 1).astype(np.float32)


def camera() -> Array:
    """Rows: right, up, towards the viewer."""
    towards = np.array(
        [
            np.cos(ELEVATION) * np.cos(AZIMUTH),
            np.cos(ELEVATION) * np.sin(AZIMUTH),
            np.sin(ELEVATION),
        ]
    )
    right = np.cross([0, 0, 1], towards)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(towards, right), towards])


def transform(kind: str) -> AnomalyTransform:
    """One kind only, large enough to see, on an unturned and otherwise perfect vase."""
    if kind in PAPER:
        return Ano3D({kind: 1.0}, rotation="none", patch_share=(0.03, 0.06))
    return DefectMix({kind: 1.0}, deform=0, density=0, one_side=0, noise=0, rotation="none")


def defect(kind: str, points: NDArray[np.float32]) -> SyntheticCloud:
    """The most visible of many defects of a kind: facing the viewer, far from the silhouette."""
    act, view = transform(kind), camera()
    candidates = [act(points, np.random.default_rng(seed)) for seed in range(80)]
    if kind == "normal":
        return candidates[0]
    if kind == "rotation":
        return min(candidates, key=lambda cloud: abs(_half_width(cloud) - 0.72))

    def visibility(cloud: SyntheticCloud) -> float:
        seen = unit_sphere(cloud.points).points[cloud.mask] @ view.T
        right, up, near = seen.mean(0)
        share = float(cloud.mask.mean())
        if kind == "bend":
            return float(up + abs(right) - 6 * abs(share - 0.15))
        # A little off the middle, where light grazes and shape shows.
        return float(near + 2 * np.sqrt(share) - 2 * abs(right - 0.12) - 0.6 * abs(up - 0.1))

    return max((cloud for cloud in candidates if cloud.mask.any()), key=visibility)


def _half_width(cloud: SyntheticCloud) -> float:
    return float(np.abs(unit_sphere(cloud.points).points @ camera()[0]).max())


def draw(axes: Axes, cloud: SyntheticCloud, title: str) -> None:
    """Paint points back to front, shaded by their normals."""
    points, _, _ = unit_sphere(cloud.points)
    view = camera()
    seen = points @ view.T
    normals = point_normals(points, 24) @ view.T
    normals *= np.where(normals[:, 2:] < 0, -1, 1)
    light = LIGHT / np.linalg.norm(LIGHT)
    shade = 0.3 + 0.7 * np.clip(normals @ light, 0, 1)
    colour = np.where(cloud.mask[:, None], DEFECT, SURFACE) * shade[:, None]
    order = np.argsort(seen[:, 2])
    axes.scatter(seen[order, 0], seen[order, 1], s=5.0, c=np.clip(colour[order], 0, 1), lw=0)
    axes.set_title(title, fontsize=11)
    axes.set_aspect("equal")
    axes.set_xlim(-0.78, 0.78)
    axes.set_ylim(-1.05, 1.05)
    axes.axis("off")


def main(output: Path) -> None:
    """Draw all panels and write the file."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    points = vase(NUM_POINTS, np.random.default_rng(7))
    figure, rows = plt.subplots(2, 5, figsize=(10, 6.4), dpi=110)
    for axes_row, kinds, name in zip(rows, (PAPER, EXTENDED), ("Ano3D", "DefectMix"), strict=True):
        for axes, kind in zip(axes_row, kinds, strict=True):
            draw(axes, defect(kind, points), TITLES.get(kind, kind))
        axes_row[0].text(-0.9, 0, name, rotation=90, va="center", ha="center", fontsize=13)
    figure.subplots_adjust(left=0.03, right=0.995, top=0.95, bottom=0.0, wspace=0.0, hspace=0.08)
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output)


if __name__ == "__main__":
    default = Path(__file__).parent / "images" / "ano3d.png"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
