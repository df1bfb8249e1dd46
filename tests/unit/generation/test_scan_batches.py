"""Views: normals follow the surface, only what is seen is kept, nothing tells of the label."""

from __future__ import annotations

import torch

from plane_anomalib.generation import scan_batches

Clouds = tuple[torch.Tensor, torch.Tensor]


def test_stretched_normals_are_those_of_the_ellipsoid(sphere: Clouds) -> None:
    factors = torch.tensor([[0.8, 1.2, 1.0]] * 4)
    points, normals = scan_batches.stretch(*sphere, factors)
    gradient = points / factors[:, None].square()  # of x^2/a^2 + y^2/b^2 + z^2/c^2
    torch.testing.assert_close(normals, torch.nn.functional.normalize(gradient, dim=-1))


def test_warped_normals_stay_across_the_warped_surface(sphere: Clouds) -> None:
    points, normals = sphere
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(4, 4000, 3, generator=generator)
    tangents = torch.linalg.cross(normals, random)
    tangents = tangents / tangents.norm(dim=-1, keepdim=True)
    frequencies = torch.randn(4, 3, 3, generator=generator)
    amplitudes = 0.08 * torch.randn(4, 3, 3, generator=generator)
    phases = torch.rand(4, 3, generator=generator)
    wave = (frequencies, phases, amplitudes)
    step = 1e-3
    moved, turned = scan_batches.warp(points, normals, *wave)
    ahead, _ = scan_batches.warp(points + step * tangents, normals, *wave)
    slope = (ahead - moved) / step
    slope = slope / slope.norm(dim=-1, keepdim=True)
    assert (slope * turned).sum(-1).abs().max() < 5e-3
    assert (turned * normals).sum(-1).min() > 0  # still outward


def test_rotations_are_proper_and_differ() -> None:
    rotations = scan_batches.random_rotations(50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand(50, 3, 3))
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(50))
    assert rotations.std(0).min() > 0.4


def test_of_a_sphere_the_near_half_is_seen(sphere: Clouds) -> None:
    points, normals = sphere
    seen = scan_batches.visible(points, normals)
    assert not seen[points[..., 2] < 0].any()
    assert seen[points[..., 2] > 0.3].float().mean() > 0.99


def test_what_lies_behind_is_hidden_even_if_it_faces_the_scanner() -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(1, 4000, 2, generator=generator) - 0.5
    near = torch.cat((flat, torch.full((1, 4000, 1), 0.4)), -1)
    far = torch.cat((1.6 * flat, torch.full((1, 4000, 1), -0.4)), -1)
    points = torch.cat((near, far), 1)
    up = torch.zeros_like(points)
    up[..., 2] = 1
    seen = scan_batches.visible(points, up)
    assert seen[:, :4000].all()
    behind = far[..., :2].abs().amax(-1) < 0.45
    beside = far[..., :2].abs().amax(-1) > 0.55
    assert seen[:, 4000:][behind].float().mean() < 0.01
    assert seen[:, 4000:][beside].all()


def test_points_are_chosen_once_and_only_if_alive() -> None:
    generator = torch.Generator().manual_seed(0)
    alive = torch.rand(3, 400, generator=generator) < 0.5
    alive[2] = False
    alive[2, :10] = True
    chosen = scan_batches.choose(torch.zeros(3, 400), alive, 100, generator)
    for row in range(3):
        assert alive[row][chosen[row]].all()
    assert len(chosen[0].unique()) == 100
    assert len(chosen[2].unique()) == 10


def test_weights_make_points_more_frequent() -> None:
    weights = torch.zeros(20, 400)
    weights[:, :200] = 1.5
    generator = torch.Generator().manual_seed(0)
    chosen = scan_batches.choose(weights, torch.ones(20, 400, dtype=torch.bool), 60, generator)
    assert (chosen < 200).float().mean() > 0.7
    assert (chosen[:, :10] < 200).float().mean() > 0.7  # any first part is a sample too


def test_noise_is_mostly_along_the_normal_and_as_large_as_asked(sphere: Clouds) -> None:
    points, normals = sphere
    generator = torch.Generator().manual_seed(0)
    moved = scan_batches.sensor_noise(points, normals, (0.004, 0.004), generator) - points
    along = (moved * normals).sum(-1)
    assert abs(along.std().item() - 0.004 * (10 / 9) ** 0.5) < 1e-4
    across = moved - along[..., None] * normals
    assert across.square().sum(-1).mean().sqrt() < 0.6 * along.std()
