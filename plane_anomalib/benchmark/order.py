"""What a job's process is told: a file that its folder begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plane_anomalib.benchmark.schema import Identity, Job
from plane_anomalib.core.results import ResultsError
from plane_anomalib.core.typed_data import TypedDataError, from_plain, load_strict, write_json

ORDER_FILE = "order.json"
LOG_FILE = "log.txt"


@dataclass(frozen=True)
class Order:
    """A job to run.

    Attributes:
        job_id: Its id.
        job: What to run.
        identity: Its hashes.
        attempt: 1 for the first try.
    """

    job_id: str
    job: Job
    identity: Identity
    attempt: int = 1


def write_order(home: Path, order: Order) -> None:
    """Write an order into the job's folder."""
    write_json(home / ORDER_FILE, order)


def read_order(home: Path) -> Order:
    """Read the order of a job's folder.

    Raises:
        ResultsError: It is missing or damaged.
    """
    file = home / ORDER_FILE
    try:
        return from_plain(Order, load_strict(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, TypedDataError) as error:
        raise ResultsError(
            f"{file}: cannot be read ({error}); run the sweep again, which writes it anew."
        ) from error
