"""Models and datasets with all of their arguments, read from sources where that can be done."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import Registry, RegistryEntry
from plane_anomalib.core.results import Component
from plane_anomalib.core.sources import REQUIRED, default_arguments
from plane_anomalib.core.typed_data import to_plain


def complete(registry: Registry, name: str, given: Mapping[str, Any]) -> Component:
    """A component with every argument its constructor takes.

    Args:
        registry: Of models or datasets.
        name: A registered name.
        given: Arguments that take the place of defaults.

    Raises:
        ConfigurationError: No such name, no such argument, or one without default is not given.
        PlaneAnomalibError: The class has to be imported and cannot be.
    """
    entry = registry.entry(name)
    defaults = _defaults(entry)
    for argument in given:
        if argument not in defaults:
            close = difflib.get_close_matches(argument, defaults, n=1)
            meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(defaults)}."
            raise ConfigurationError(f"{entry.name} has no argument {argument!r}: {meant}")
    values = {**defaults, **given}
    if absent := [argument for argument, value in values.items() if value is REQUIRED]:
        raise ConfigurationError(
            f"{entry.name} needs {', '.join(absent)}: say it in its arguments."
        )
    return Component(entry.name, {key: to_plain(value) for key, value in values.items()})


def takes(registry: Registry, name: str, argument: str) -> bool:
    """Whether a component's constructor has an argument of that name."""
    return argument in _defaults(registry.entry(name))


@lru_cache(maxsize=64)
def _defaults(entry: RegistryEntry) -> dict[str, Any]:
    found = None if entry.config else default_arguments(entry.target)
    return entry.arguments() if found is None else found
