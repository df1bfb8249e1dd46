from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from plane_anomalib.models.plane.prompts import REACH, PlacePrompts

SHAPE = {"octaves": 2, "resolutions": (4, 8), "channels": 3}


def prompts(num: int = 2, seed: int = 0, **changes: object) -> PlacePrompts:
    draw = torch.Generator().manual_seed(seed)
    made = PlacePrompts(num, **{**SHAPE, "slots": 512, **changes}, generator=draw)  # type: ignore[arg-type]
    torch.nn.init.normal_(made.vectors)
    return made


def places(batch: int = 2, num: int = 50) -> torch.Tensor:
    return 2 * torch.rand(batch, num, 3) - 1


def test_coordinates_then_their_waves_then_the_prompts() -> None:
    where = places()
    found = prompts()(where, [0, 1])
    assert found.shape == (2, 50, PlacePrompts.width(*SHAPE.values()))  # type: ignore[arg-type]
    assert torch.equal(found[..., :3], where)
    phases = (where[..., None] * torch.tensor([1.5, 3.0])).flatten(-2)
    torch.testing.assert_close(found[..., 3:9], phases.sin())
    torch.testing.assert_close(found[..., 9:15], phases.cos())


def test_prompts_between_the_corners_of_a_cell_are_interpolated() -> None:
    made = prompts(1, resolutions=(4,))
    axis = torch.linspace(-REACH, REACH, 5)
    corners = torch.cartesian_prod(axis, axis, axis)
    # A hair inside, so that rounding cannot choose the neighbouring cell of the border.
    values = made((corners * (1 - 1e-6))[None], [0])[0, :, 15:].detach().view(5, 5, 5, 3)
    where = places(1)
    expected = RegularGridInterpolator([axis.numpy()] * 3, values.numpy())(where[0].numpy())
    np.testing.assert_allclose(made(where, [0])[0, :, 15:].detach(), expected, atol=1e-3)


def test_categories_have_places_of_their_own_and_strangers_none() -> None:
    made, where = prompts(), places(1).expand(3, -1, -1)
    found = made(where, [0, 1, None])[..., 15:]
    assert (found[0] != found[1]).all()
    assert not found[2].any()
    found[1].sum().backward()
    taught = made.vectors.grad.abs().sum(1).view(2, 2, 512).sum((0, 2))
    assert taught[0] == 0
    assert taught[1] > 0


def test_places_out_of_reach_share_the_border() -> None:
    made = prompts()
    far = torch.tensor([[[9.0, 0.1, 0.2], [REACH, 0.1, 0.2]]])
    found = made(far, [0])[0, :, 15:]
    assert found.isfinite().all()
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("slots", [16, 512])
def test_order_of_points_and_clouds_does_not_matter(slots: int) -> None:
    made, where = prompts(slots=slots), places()
    found = made(where, [0, 1])
    torch.testing.assert_close(made(where.flip(1), [0, 1]), found.flip(1))
    torch.testing.assert_close(made(where.flip(0), [1, 0]), found.flip(0))


def test_initial_vectors_follow_the_generator() -> None:
    def drawn(seed: int) -> torch.Tensor:
        draw = torch.Generator().manual_seed(seed)
        return PlacePrompts(1, slots=64, generator=draw).vectors.detach()

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert 0 < drawn(1).abs().max() < 0.1


@pytest.mark.slow
def test_gradients_are_the_same_bits_on_two_threads() -> None:
    prompts = PlacePrompts(
        2, octaves=2, resolutions=(4, 8, 16), channels=4, generator=torch.Generator().manual_seed(0)
    )
    generator = torch.Generator().manual_seed(1)
    places = torch.rand(4, 2304, 3, generator=generator) - 0.5
    threads = torch.get_num_threads()
    found = []
    try:
        torch.set_num_threads(2)
        for _ in range(5):
            prompts.zero_grad()
            prompts(places, [0, 1, 0, 1]).square().sum().backward()
            found.append(prompts.vectors.grad.clone())
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0], other) for other in found[1:])
