"""Read back what `predict` wrote of one cloud."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plane_anomalib.core.errors import PointCloudFileError

_HINT = "it must be a .npz that `plane-anomalib predict` wrote"


@dataclass(frozen=True, eq=False)
class JudgedCloud:
    """A cloud with its scores.

    Attributes:
        points: `(N, 3) float32`, in input order, in the object's units.
        scores: `(N,) float32`, raw.
        region: `(N,) int32`, the number of each point's region, -1 outside of all.
        truth: `(N,) bool`, or `None` where it is not known.
    """

    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    region: NDArray[np.int32]
    truth: NDArray[np.bool_] | None

    @classmethod
    def read(cls, file: Path) -> JudgedCloud:
        """Read a file of OUT/clouds.

        Args:
            file: A `.npz` with `points` and `scores`, and `region` and `truth` where they are
                known.

        Raises:
            PointCloudFileError: It is missing or damaged, or does not hold a scored cloud.
        """
        try:
            with np.load(file, allow_pickle=False) as arrays:
                found = {
                    name: arrays[name]
                    for name in ("points", "scores", "region", "truth")
                    if name in arrays
                }
        except FileNotFoundError as error:
            raise PointCloudFileError(file, "there is no such file", _HINT) from error
        except Exception as error:  # a damaged archive fails in many ways
            reason = f"cannot be read ({type(error).__name__}: {error})"
            raise PointCloudFileError(file, reason, _HINT) from error
        for name in ("points", "scores"):
            if name not in found:
                raise PointCloudFileError(file, f"holds no array `{name}`", _HINT)
        count = len(found["scores"]) if found["scores"].ndim else 0
        found.setdefault("region", np.full(count, -1, np.int32))
        for name, values in found.items():
            wanted = (count, 3) if name == "points" else (count,)
            if values.shape != wanted or values.dtype.kind not in "bifu" or not count:
                reason = f"`{name}` is {values.dtype} {values.shape} and must be numbers {wanted}"
                raise PointCloudFileError(file, reason, _HINT)
        if not np.isfinite(found["points"]).all():
            raise PointCloudFileError(file, "a coordinate is not a number", _HINT)
        truth = found.get("truth")
        return cls(
            np.ascontiguousarray(found["points"], np.float32),
            found["scores"].astype(np.float32),
            found["region"].astype(np.int32),
            None if truth is None else truth.astype(np.bool_),
        )
