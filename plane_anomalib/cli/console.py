"""What the user reads when something goes wrong: one sentence instead of a traceback."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from plane_anomalib.core.errors import PlaneAnomalibError

DEBUG_VARIABLE = "PLANE_ANOMALIB_DEBUG"

# How torch hands on what a loader's worker process raised: our type's name in the first line,
# the whole traceback, and the sentence in the last line.
_FROM_WORKER = re.compile(
    r"^Caught \w+ in .*^plane_anomalib\.core\.errors\.\w+: (?P<sentence>[^\n]+)\s*\Z",
    re.DOTALL | re.M,
)


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """Turn errors this package raises on purpose into a line on stderr and exit code 1.

    Other errors pass. With `PLANE_ANOMALIB_DEBUG=1` in the environment everything passes, with its
    traceback.

    Raises:
        SystemExit: With code 1, in place of a `PlaneAnomalibError`.
    """
    try:
        yield
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None or os.environ.get(DEBUG_VARIABLE, "0") != "0":
            raise
        sys.stderr.write(f"error: {sentence}\n")
        raise SystemExit(1) from None


def sentence_of(error: BaseException) -> str | None:
    """The sentence of an error of this package, also if a worker process raised it; else None."""
    from_worker = _FROM_WORKER.search(str(error))
    if from_worker:
        return from_worker["sentence"]
    return str(error) if isinstance(error, PlaneAnomalibError) else None
