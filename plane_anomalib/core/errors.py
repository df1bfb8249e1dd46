"""What can go wrong, each error one sentence that says what, where and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class PlaneAnomalibError(Exception):
    """Base of every error this package raises on purpose."""


class PointCloudFileError(PlaneAnomalibError):
    """A point-cloud, mesh or ground-truth file cannot be used.

    Args:
        path: The file.
        reason: What is wrong with it.
        hint: What to do about it.
    """

    def __init__(self, path: str | Path, reason: str, hint: str = "") -> None:
        self.path = Path(path)
        self.reason = reason
        self.hint = hint
        super().__init__(f"{path}: {reason}" + (f" ({hint})" if hint else ""))

    def __reduce__(self) -> tuple[type[PointCloudFileError], tuple[str, str, str]]:
        """Survive the trip from a loader's worker process."""
        return type(self), (str(self.path), self.reason, self.hint)


class PointCloudTooLargeError(PointCloudFileError):
    """A file holds more points than the caller will take."""


class DatasetError(PlaneAnomalibError):
    """A dataset root, category or split is not what the loader needs."""


class ConfigurationError(PlaneAnomalibError, ValueError):
    """An argument has a value that cannot work."""


class WeightsError(PlaneAnomalibError):
    """A weights file is missing, damaged or of another architecture."""


class MissingDependencyError(PlaneAnomalibError, ImportError):
    """An optional package is needed and not installed.

    Args:
        package: What is missing, as pip names it.
        extra: The extra of this distribution that brings it.
        purpose: What it is needed for.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        self.purpose = purpose
        super().__init__(
            f"{package} is needed {purpose} and is not installed: "
            f'pip install "plane-anomalib[{extra}]".'
        )

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str, str]]:
        """Survive the trip from a loader's worker process."""
        return type(self), (self.package, self.extra, self.purpose)


class ContractError(PlaneAnomalibError):
    """A model does not do what every registered model must."""


class NotMeasuredError(PlaneAnomalibError):
    """A quantity cannot be measured on this system."""


def what_was_meant(name: str, known: Iterable[str], otherwise: str = "there are") -> str:
    """The end of a sentence about a name that stands for nothing.

    Args:
        name: What was given.
        known: The names there are.
        otherwise: What to say before all of them if none is alike.

    Returns:
        `did you mean NAME?`, or `there are NAME, NAME.`
    """
    import difflib  # not needed where nothing is wrong

    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"{otherwise} {', '.join(known) or 'none'}."
