"""Keep the clouds read last, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.float32], NDArray[np.bool_] | None, str]


class CloudCache:
    """Least-recently-used cache of `(points, mask, defect)`.

    Copies of a dataset share one cache; a loader's worker process starts with an empty one.

    Args:
        max_bytes: What the arrays may take together; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, Arrays] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, load: Callable[[], Arrays]) -> Arrays:
        """The entry of `key`, loaded if it is not held.

        The arrays are shared: callers copy before they change anything.
        """
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        entry = load()
        size = _size(entry)
        if size <= self.max_bytes:
            self._entries[key] = entry
            self._bytes += size
        while self._bytes > self.max_bytes:
            self._bytes -= _size(self._entries.popitem(last=False)[1])
        return entry

    def __deepcopy__(self, memo: dict[int, object]) -> CloudCache:
        """Share the clouds: anomalib copies datasets to split them."""
        return self

    def __getstate__(self) -> dict[str, object]:
        """Travel to another process without the clouds."""
        return {"max_bytes": self.max_bytes, "_entries": OrderedDict(), "_bytes": 0}


def _size(entry: Arrays) -> int:
    points, mask, _ = entry
    return points.nbytes + (0 if mask is None else mask.nbytes)
