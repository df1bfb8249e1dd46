"""Thread limits hold within their block and are given back after it."""

import numpy as np
import torch
from threadpoolctl import threadpool_info

from plane_anomalib.core.cores import one_blas_thread, one_torch_thread


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
