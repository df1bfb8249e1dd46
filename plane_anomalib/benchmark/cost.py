"""Floating point operations of a model, the neighbour searches outside torch included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from plane_anomalib.benchmark.schema import Cost
from plane_anomalib.geometry import sampling
from plane_anomalib.geometry.neighbours import NeighbourIndex

_PER_DISTANCE = 8
"""Three differences, three squares, two sums."""


def count_cost(model: nn.Module, call: Callable[[], object]) -> Cost:
    """Count the operations of one call, on any device.

    Torch's own counter sees neither attention on a CPU, nor `cdist`, nor anything outside torch.

    Args:
        model: Whose parameters count.
        call: Runs the model.

    Returns:
        The cost.
    """
    aten = torch.ops.aten
    formulas: dict[Any, Any] = {
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._cdist_forward: _cdist,
        aten._euclidean_dist: _cdist,
    }
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    with counter, _distances_counted() as distances:
        call()
    every = list(model.parameters())
    return Cost(
        counter.get_total_flops(),
        sum(distances),
        sum(parameter.numel() for parameter in every),
        sum(parameter.numel() for parameter in every if parameter.requires_grad),
    )


@contextmanager
def _distances_counted() -> Iterator[list[int]]:
    """Watch the samplings and searches of PLANE; FPFH and memory banks search otherwise."""
    counts: list[int] = []
    query, farthest = NeighbourIndex.query, sampling._farthest_points

    def counted_query(index: NeighbourIndex, queries: ArrayLike, *args: Any, **named: Any) -> Any:
        found = query(index, queries, *args, **named)
        counts.append(_PER_DISTANCE * len(index.reference) * len(found[0]))
        return found

    def counted_farthest(points: Tensor, num: int, *args: Any, **named: Any) -> Tensor:
        counts.append(_PER_DISTANCE * points.shape[0] * points.shape[1] * num)
        return farthest(points, num, *args, **named)

    with (
        patch.object(NeighbourIndex, "query", counted_query),
        patch.object(sampling, "_farthest_points", counted_farthest),
    ):
        yield counts


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """From shapes (B, heads, L, D) and (B, heads, S, D): scores, then their mix of values."""
    batch, heads, length, width = query
    return int(2 * batch * heads * length * key[2] * (width + value[3]))


def _cdist(first: Any, second: Any, *_: Any, **__: Any) -> int:
    """From shapes (..., P, M) and (..., R, M): a difference, a square and a sum per number."""
    pairs = 1
    for size in first[:-1]:
        pairs *= size
    return int(3 * pairs * second[-2] * first[-1])
