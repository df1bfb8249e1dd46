"""Which training cloud comes next, with everything its randomness depends on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler


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


class EpochSampler(Sampler[Draw]):
    """Shuffles a dataset anew each epoch, and repeats it for a fixed number of draws.

    The epoch counts the passes; Lightning sets it before each. A resumed run draws what the
    uninterrupted one would have drawn if epochs limit training and the loader has no workers. Else
    it goes on with other draws: workers start before Lightning tells a resumed run its epoch (they
    begin with those of epoch 0), and where steps limit training Lightning lets one epoch pass idle.

    Args:
        size: Clouds in the dataset.
        draws: Clouds per epoch; by default each once.
        seed: Seed of the order.
    """

    def __init__(self, size: int, draws: int | None, seed: int) -> None:
        self.size = size
        self.draws = draws or size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Draws per epoch."""
        return self.draws

    def __iter__(self) -> Iterator[Draw]:
        """Draw: every cloud comes up equally often, up to one."""
        epoch = self.epoch
        self.epoch += 1
        generator = np.random.default_rng([self.seed, epoch])
        for start in range(0, self.draws, self.size):
            order = generator.permutation(self.size)[: self.draws - start]
            yield from (Draw(int(row), epoch, start // self.size) for row in order)
