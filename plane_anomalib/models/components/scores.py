"""What a method says of one cloud, without torch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class CloudScores(NamedTuple):
    """What a method says of one cloud.

    Attributes:
        anomaly_map: `(N,) float32`, one score per point, in input order.
        pred_score: The object's score.
        seen: Which share of the part's surface the cloud shows, from 0 to 1; `None` where the
            method cannot tell.
        doubt: Why the method cannot vouch for these scores, as a clause that follows "not judged,
            because", such as `it fits the good scans in two poses`; "" where it can.
    """

    anomaly_map: NDArray[np.float32]
    pred_score: float
    seen: float | None = None
    doubt: str = ""
