"""Thread limits hold within their block and are given back after it."""

import sys

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from plane_anomalib.core.cores import (
    one_blas_thread,
    one_torch_thread,
    usable_cores,
    worker_threads,
)


def blas_threads() -> list[int]:
    return [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_linear_algebra_works_on_one_thread_within_the_block_only() -> None:
    np.linalg.cholesky(np.eye(2))
    before = blas_threads()
    with one_blas_thread():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_torch_works_on_one_thread_within_the_block() -> None:
    before = torch.get_num_threads()
    with one_torch_thread() as threads:
        assert torch.get_num_threads() == 1
    assert threads == before == torch.get_num_threads()


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("", None), ("0", None), ("2,1", None)])
def test_threads_without_torch_are_those_that_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, said: str, threads: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    monkeypatch.delitem(sys.modules, "torch")
    assert worker_threads() == (usable_cores() if threads is None else threads)


def test_threads_are_those_of_torch_where_it_is_imported() -> None:
    with one_torch_thread() as threads:
        assert worker_threads() == 1
    assert worker_threads() == threads
