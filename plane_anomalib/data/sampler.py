"""Which training cloud comes next, with everything its randomness depends on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch import distributed as dist
from torch.utils.data import DistributedSampler


class Draw(NamedTuple):
    """One draw of a training cloud.

    It reaches the dataset in place of a plain index, so that a loader's worker processes know the
    epoch, and the transform's randomness depends on neither their number nor their lifetime.

    Attributes:
        row: Number of the dataset's row.
        epoch: Number of the epoch.
        repeat: How often the cloud came up before in this epoch.
    """

    row: int
    epoch: int = 0
    repeat: int = 0

    def generator(self, seed: int) -> np.random.Generator:
        """The generator of this draw's transform."""
        return np.random.default_rng([seed, self.epoch, self.repeat, self.row])


class EpochSampler(DistributedSampler[Draw]):
    """Shuffles a dataset anew each epoch, and repeats it for a fixed number of draws.

    The epoch counts the passes; Lightning sets it before each. A resumed run draws what the
    uninterrupted one would have drawn if epochs limit training and the loader has no workers. Else
    it goes on with other draws: workers start before Lightning tells a resumed run its epoch (they
    begin with those of epoch 0), and where steps limit training Lightning lets one epoch pass idle.

    In distributed training every process takes its share of the same draws, each draw with
    randomness of its own. Where they do not divide evenly, a few more are drawn; none is taken
    twice. (Being a `DistributedSampler`, it is not wrapped in another one by Lightning.)

    Args:
        size: Clouds in the dataset.
        draws: Clouds per epoch, over all processes; by default each once.
        seed: Seed of the order.
        num_replicas: Processes; as the process group has it, 1 without one.
        rank: This process, likewise.
    """

    def __init__(
        self,
        size: int,
        draws: int | None,
        seed: int,
        *,
        num_replicas: int | None = None,
        rank: int | None = None,
    ) -> None:
        together = dist.is_available() and dist.is_initialized()
        super().__init__(
            range(draws or size),  # type: ignore[arg-type]
            num_replicas=num_replicas or (dist.get_world_size() if together else 1),
            rank=rank if rank is not None else dist.get_rank() if together else 0,
            shuffle=False,
            seed=seed,
        )
        self.size = size

    def __iter__(self) -> Iterator[Draw]:
        """This process's draws: over all of them, clouds come up equally often, up to one."""
        epoch = self.epoch
        self.epoch += 1
        return itertools.islice(self._drawn(epoch), self.rank, None, self.num_replicas)

    def _drawn(self, epoch: int) -> Iterator[Draw]:
        generator = np.random.default_rng([self.seed, epoch])
        for start in range(0, self.total_size, self.size):
            order = generator.permutation(self.size)[: self.total_size - start]
            yield from (Draw(int(row), epoch, start // self.size) for row in order)
