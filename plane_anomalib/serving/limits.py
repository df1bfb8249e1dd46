"""How much one client, and all of them together, may ask for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from plane_anomalib.core.errors import ConfigurationError


@dataclass(frozen=True)
class Limits:
    """Bounds of a server's memory and work.

    Attributes:
        megabytes: Largest request body, in millions of bytes.
        points: Most points of a cloud. It bounds how long scoring takes, which nothing can stop
            once it has begun.
        timeout: Seconds from the first byte of a request to its answer, the wait for others'
            clouds included.
        waiting: Most requests at a time, the one that is being scored included.
    """

    megabytes: float = 200
    points: int = 1_000_000
    timeout: float = 60
    waiting: int = 16

    def __post_init__(self) -> None:
        """Refuse what would refuse everything.

        Raises:
            ConfigurationError: A value is not above zero.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ConfigurationError(f"{field.name} is {value}; it must be above zero.")

    @property
    def size(self) -> int:
        """Largest request body in bytes."""
        return int(self.megabytes * 1e6)
