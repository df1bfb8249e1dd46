"""Pseudo-anomalies: what is labelled has changed, what has not changed is not labelled."""

from __future__ import annotations

import pytest
import torch

from plane_anomalib.generation.defects.batched import DefectSizes, ScanBatch, damage
from plane_anomalib.generation.defects.profiles import BATCHED_KINDS

Clouds = tuple[torch.Tensor, torch.Tensor]
LOSSY = {"hole", "broken", "crack"}


def _scan(sphere: Clouds) -> ScanBatch:
    points, normals = sphere
    whole = torch.ones(points.shape[:2], dtype=torch.bool)
    return ScanBatch(points, normals, whole, ~whole)


def _damaged(sphere: Clouds, kind: str, seed: int = 0) -> ScanBatch:
    sizes = DefectSizes((0.02, 0.06), (0.03, 0.12), 0.04)
    generator = torch.Generator().manual_seed(seed)
    return damage(_scan(sphere), [(kind,)] * 3 + [()], sizes, generator)


@pytest.mark.parametrize("kind", BATCHED_KINDS)
def test_every_kind_labels_some_points_and_leaves_good_clouds_alone(
    sphere: Clouds, kind: str
) -> None:
    before, after = _scan(sphere), _damaged(sphere, kind)
    share = after.label.float().mean(1)
    assert (share[:3] > 0.001).all()
    assert (share[:3] < 0.3).all()
    assert share[3] == 0
    assert torch.equal(after.points[3], before.points[3])
    assert after.alive[3].all()
    assert torch.isfinite(after.points).all()
    assert not (after.label & ~after.alive).any()


@pytest.mark.parametrize("kind", [kind for kind in BATCHED_KINDS if kind not in {"hole", "broken"}])
def test_labelled_points_are_those_that_moved(sphere: Clouds, kind: str) -> None:
    before, after = _scan(sphere), _damaged(sphere, kind)
    moved = (after.points - before.points).norm(dim=-1)
    assert moved[after.label].min() > 0.0039
    unlabelled = moved[~after.label & after.alive]
    assert unlabelled.max() <= 0.15 * 0.12 + 1e-5


@pytest.mark.parametrize(
    ("kind", "sign"),
    [("bulge", 1), ("ridge", 1), ("dent", -1), ("trench", -1), ("scratch", -1), ("flat_spot", -1)],
)
def test_direction_of_the_displacement(sphere: Clouds, kind: str, sign: int) -> None:
    before, after = _scan(sphere), _damaged(sphere, kind)
    radial = ((after.points - before.points) * before.normals).sum(-1)
    assert (sign * radial[after.label]).mean() > 0.005
    assert (sign * radial[after.label] > 0).float().mean() > 0.9


def test_shear_moves_along_the_surface(sphere: Clouds) -> None:
    before, after = _scan(sphere), _damaged(sphere, "shear")
    moved = (after.points - before.points)[after.label]
    radial = (moved * before.normals[after.label]).sum(-1)
    assert radial.abs().mean() < 0.35 * moved.norm(dim=-1).mean()


@pytest.mark.parametrize("kind", sorted(LOSSY))
def test_lost_points_are_gone_and_their_border_is_the_label(sphere: Clouds, kind: str) -> None:
    after = _damaged(sphere, kind)
    lost = (~after.alive).sum(1)
    assert (lost[:3] > 0).all()
    assert (lost[:3] < 2000).all()
    for row in range(3):
        gone = after.points[row][~after.alive[row]]
        labelled = after.points[row][after.label[row]]
        assert torch.cdist(labelled, gone).amin(1).median() < 0.25


@pytest.mark.parametrize("kind", [kind for kind in BATCHED_KINDS if kind not in LOSSY])
def test_other_kinds_lose_nothing(sphere: Clouds, kind: str) -> None:
    assert _damaged(sphere, kind).alive.all()


def test_only_what_is_seen_is_damaged(sphere: Clouds) -> None:
    whole = _scan(sphere)
    seen = whole.points[..., 2] > 0
    half = ScanBatch(whole.points, whole.normals, seen, whole.label)
    generator = torch.Generator().manual_seed(0)
    sizes = DefectSizes((0.004, 0.06), (0.01, 0.12), 0.04)
    after = damage(half, [("bulge",)] * 4, sizes, generator)
    assert (after.label.sum(1) > 0).all()
    assert not (after.label & ~seen).any()
