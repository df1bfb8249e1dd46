import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.components.coreset import chosen_rows, greedy_coreset
from plane_anomalib.models.components.recipe import Coreset


def features(num: int, dim: int, seed: int) -> Tensor:
    """Correlated rows far from the origin, as descriptors are."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(min(5, dim), dim, generator=generator)
    rows = torch.randn(num, min(5, dim), generator=generator).tanh() @ mixing
    return rows + 0.05 * torch.randn(num, dim, generator=generator) + 10


def brute_force(rows: Tensor, first: int, size: int) -> list[int]:
    points = rows.double()
    nearest = (points - points[first]).square().sum(1)
    picked = [first]
    while len(picked) < size:
        picked.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (points - points[picked[-1]]).square().sum(1))
    return picked


def covering_radius(rows: Tensor, picked: Tensor | list[int]) -> float:
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(rows[picked].double().numpy())
    return float(search.kneighbors(rows.double().numpy())[0].max())


@pytest.mark.parametrize(("num", "dim", "size"), [(3000, 33, 400), (3000, 3, 700), (900, 300, 90)])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_coreset_covers_as_well_as_the_plain_greedy_loop(
    num: int, dim: int, size: int, seed: int
) -> None:
    rows = features(num, dim, seed)
    picked = greedy_coreset(rows, size, seed=seed)
    assert picked.dtype == torch.int64
    assert len(set(picked.tolist())) == size
    expected = brute_force(rows, int(picked[0]), size)
    assert covering_radius(rows, picked) <= 1.02 * covering_radius(rows, expected)
    # Until rounding first decides between two nearly equal distances, the same rows.
    assert picked[:20].tolist() == expected[:20]


@pytest.mark.parametrize("projection", ["gaussian", "sparse"])
@pytest.mark.parametrize("dim", [3, 33, 600])
def test_projected_coresets_cover_nearly_as_well(projection: str, dim: int) -> None:
    rows = features(1000, dim, 3)
    picked = greedy_coreset(rows, 150, seed=0, projection=projection)  # type: ignore[arg-type]
    assert len(set(picked.tolist())) == 150
    exact = covering_radius(rows, brute_force(rows, int(picked[0]), 150))
    drawn = torch.randperm(1000, generator=torch.Generator().manual_seed(0))[:150]
    # A projection to few dimensions may distort, yet covers far better than rows drawn at random.
    assert covering_radius(rows, picked) < min(1.6 * exact, covering_radius(rows, drawn))


@pytest.mark.parametrize("projection", [None, "gaussian", "sparse"])
def test_the_seed_decides(projection: str | None) -> None:
    rows = features(500, 20, 5)
    args = {"size": 50, "projection": projection}
    first = greedy_coreset(rows, seed=1, **args)  # type: ignore[arg-type]
    torch.manual_seed(99)
    torch.testing.assert_close(greedy_coreset(rows, seed=1, **args), first)  # type: ignore[arg-type]
    assert greedy_coreset(rows, seed=2, **args).tolist() != first.tolist()  # type: ignore[arg-type]


def test_the_sparse_variant_begins_with_the_first_row() -> None:
    assert int(greedy_coreset(features(500, 20, 5), 50, seed=4, projection="sparse")[0]) == 0


def test_copies_are_picked_only_when_nothing_else_is_left() -> None:
    distinct = torch.randn(30, 8, generator=torch.Generator().manual_seed(0))
    rows = distinct.repeat(10, 1)
    picked = greedy_coreset(rows, 30, seed=0)
    assert sorted((picked % 30).tolist()) == list(range(30))
    for size in (45, 299):
        more = greedy_coreset(rows, size, seed=0)
        assert len(set(more.tolist())) == size
        assert sorted((more[:30] % 30).tolist()) == list(range(30))


@pytest.mark.parametrize("projection", [None, "gaussian", "sparse"])
def test_rows_that_are_all_equal_are_no_difficulty(projection: str | None) -> None:
    picked = greedy_coreset(torch.ones(40, 5), 7, seed=0, projection=projection)  # type: ignore[arg-type]
    assert len(set(picked.tolist())) == 7


def test_few_rows_are_all_kept() -> None:
    for size in (5, 6, 100):
        assert greedy_coreset(torch.randn(5, 3), size, seed=0).tolist() == [0, 1, 2, 3, 4]
    assert greedy_coreset(torch.randn(5, 3), 1, seed=0).shape == (1,)


def test_a_share_of_the_rows_can_be_kept() -> None:
    rows = features(200, 6, 0)
    assert chosen_rows(rows, Coreset(share=0.1), seed=0).shape == (20,)
    assert chosen_rows(rows, Coreset(share=0.001), seed=0).shape == (1,)
    expected = greedy_coreset(rows, 12, seed=3, projection="sparse")
    coreset = Coreset(size=12, projection="sparse")
    torch.testing.assert_close(chosen_rows(rows, coreset, seed=3, progress=True), expected)


def test_what_no_coreset_can_be_made_of_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"needs \(N, D\) rows"):
        greedy_coreset(torch.zeros(0, 3), 1, seed=0)
    with pytest.raises(ConfigurationError, match="at least one row"):
        greedy_coreset(torch.zeros(4, 3), 0, seed=0)
    with pytest.raises(ConfigurationError, match="either its size or its share"):
        Coreset()
    with pytest.raises(ConfigurationError, match="either its size or its share"):
        Coreset(size=3, share=0.1)
    with pytest.raises(ConfigurationError, match=r"share 1\.5"):
        Coreset(share=1.5)


def test_memory_stays_far_below_all_pairs() -> None:
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(60_000, 4)).astype(np.float32))
    picked = greedy_coreset(rows, 2_000, seed=0)
    assert covering_radius(rows, picked) < covering_radius(rows, torch.arange(2_000))
