import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.components.memory_bank import MemoryBank


def bank_of(rows: Tensor) -> MemoryBank:
    bank = MemoryBank()
    bank.fill(rows)
    return bank


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def nearly_equal_rows(dim: int) -> tuple[Tensor, Tensor]:
    """Two tight clusters far apart: a matrix product cannot tell the rows of one apart."""
    far = torch.where(torch.arange(3000) % 2 == 0, 500.0, -500.0)[:, None]
    rows = far + 1e-3 * normal(3000, dim)
    return rows, rows[:200] + 1e-3 * normal(200, dim, seed=1)


CASES = {
    "3 columns": (normal(2000, 3), normal(300, 3, seed=1)),
    "8 columns": (normal(2000, 8), normal(300, 8, seed=1)),
    "9 columns": (normal(2000, 9), normal(300, 9, seed=1)),
    "histograms": (200 * normal(3000, 33).softmax(1), 200 * normal(500, 33, seed=1).softmax(1)),
    "wide": (normal(1500, 1152) + 3, normal(100, 1152, seed=1) + 3),
    "nearly equal, 3": nearly_equal_rows(3),
    "nearly equal, 40": nearly_equal_rows(40),
    "copies": (normal(50, 20).repeat(30, 1), normal(50, 20)[:10].repeat(4, 1)),
    "one row": (normal(1, 12), normal(5, 12, seed=1)),
    "two rows": (normal(2, 3), normal(5, 3, seed=1)),
    "one column": (normal(500, 1), normal(50, 1, seed=1)),
}


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("case", CASES)
def test_distances_equal_a_float64_computation(case: str, k: int) -> None:
    rows, queries = CASES[case]
    distances, indices = bank_of(rows).nearest(queries, k)
    expected = np.sort(cdist(queries.double().numpy(), rows.double().numpy()), axis=1)[:, :k]
    assert distances.dtype == torch.float32
    assert indices.dtype == torch.int64
    assert distances.shape == indices.shape == expected.shape
    np.testing.assert_allclose(distances.double().numpy(), expected, rtol=1e-6, atol=1e-12)
    gaps = (rows[indices].double() - queries[:, None].double()).norm(dim=2)
    np.testing.assert_allclose(gaps.numpy(), expected, rtol=1e-6, atol=1e-12)
    assert all(len(set(found)) == len(found) for found in indices.tolist())


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_a_coarser_matrix_product_costs_no_digit(precision: str) -> None:
    rows, queries = CASES["histograms"]
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        distances, _ = bank_of(rows).nearest(queries)
    finally:
        torch.set_float32_matmul_precision(before)
    expected = cdist(queries.double().numpy(), rows.double().numpy()).min(1)
    np.testing.assert_allclose(distances[:, 0].double().numpy(), expected, rtol=1e-6)


def test_many_queries_give_what_each_gives_alone() -> None:
    rows, queries = normal(9000, 12), normal(2500, 12, seed=1)
    bank = bank_of(rows)
    distances, indices = bank.nearest(queries)
    for index in (0, 1234, 2499):
        alone = bank.nearest(queries[index][None])
        torch.testing.assert_close(alone[0][0], distances[index], rtol=0, atol=0)
        torch.testing.assert_close(alone[1][0], indices[index])


def test_rows_of_the_bank_are_at_distance_zero() -> None:
    for dim in (3, 40):
        rows = 100 + normal(700, dim)
        distances, indices = bank_of(rows).nearest(rows)
        assert not distances.any()
        assert indices[:, 0].tolist() == list(range(700))


def literal_score(rows: np.ndarray, queries: np.ndarray) -> float:
    """PatchCore's object score as its formula stands, in float64, by sorting."""
    gaps = cdist(queries, rows)
    worst = gaps.min(1).argmax()
    match, largest = gaps[worst].argmin(), gaps[worst].min()
    near = [n for n in np.argsort(cdist(rows[match][None], rows)[0]) if n != match][:2]
    scale = math.sqrt(rows.shape[1])
    others = sum(math.exp(np.linalg.norm(queries[worst] - rows[n]) / scale) for n in near)
    return (1 - math.exp(largest / scale) / others) * largest


@pytest.mark.parametrize("dim", [3, 33])
@pytest.mark.parametrize("num", [2, 3, 400])
def test_the_object_score_follows_the_formula(dim: int, num: int) -> None:
    for seed in range(5):
        rows, queries = normal(num, dim, seed=seed), 2 * normal(60, dim, seed=seed + 50)
        bank = bank_of(rows)
        score = bank.reweighted(queries, *bank.nearest(queries))
        expected = literal_score(rows.double().numpy(), queries.double().numpy())
        assert score == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_object_score_is_finite_for_small_banks_and_large_distances(
    rows: int, scale: float
) -> None:
    bank, queries = bank_of(scale * normal(rows, 5)), scale * normal(4, 5, seed=1)
    distances, indices = bank.nearest(queries)
    score = bank.reweighted(queries, distances, indices)
    assert math.isfinite(score)
    assert 0 <= score <= float(distances.max())
    if rows == 1:
        assert score == float(distances.max())


def test_state_goes_into_a_fresh_bank() -> None:
    bank, queries = bank_of(normal(50, 7)), normal(9, 7, seed=1)
    fresh = MemoryBank()
    fresh.load_state_dict(bank.state_dict())
    torch.testing.assert_close(fresh.nearest(queries), bank.nearest(queries), rtol=0, atol=0)


def test_filling_copies_the_rows() -> None:
    rows = normal(5, 3)
    bank = bank_of(rows)
    rows.zero_()
    assert bank.rows.any()


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigurationError, match="is empty"):
        MemoryBank().nearest(torch.zeros(1, 3))
    with pytest.raises(ConfigurationError, match=r"needs \(M, D\) rows"):
        bank_of(torch.zeros(0, 3))
    with pytest.raises(ConfigurationError, match="finite"):
        bank_of(torch.tensor([[0.0, float("nan")]]))
    with pytest.raises(ConfigurationError, match="has 3 columns"):
        bank_of(torch.zeros(4, 3)).nearest(torch.zeros(2, 4))
    with pytest.raises(ConfigurationError, match="k = 0"):
        bank_of(torch.zeros(4, 3)).nearest(torch.zeros(2, 3), 0)


@pytest.mark.parametrize("dim", [3, 40])
def test_no_queries_give_no_distances(dim: int) -> None:
    distances, indices = bank_of(normal(9, dim)).nearest(torch.zeros(0, dim), 2)
    assert distances.shape == indices.shape == (0, 2)


def test_the_search_works_in_inference_mode_and_on_several_threads() -> None:
    rows, queries = torch.randn(4000, 33), torch.randn(6000, 33)
    bank = MemoryBank()
    bank.fill(rows)
    expected = bank.nearest(queries)
    threads = torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            with torch.inference_mode():
                found = bank.nearest(queries + 0)
            assert torch.equal(found[0], expected[0])
            assert torch.equal(found[1], expected[1])
    finally:
        torch.set_num_threads(threads)
