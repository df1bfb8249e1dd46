"""Recipes from YAML files, with errors that say which entry is wrong and why."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from plane_anomalib.errors import ConfigurationError
from plane_anomalib.pretraining.config import PretrainConfig

T = TypeVar("T")


def load_config(path: str | Path) -> PretrainConfig:
    """Read a YAML file.

    Args:
        path: The file.

    Raises:
        ConfigurationError: The file is missing, not YAML, or has an unknown or wrong entry.
    """
    import yaml

    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {error}.") from error
    try:
        return from_mapping(PretrainConfig, data or {})
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def from_mapping(kind: type[T], data: Any, place: str = "") -> T:
    """Make a dataclass of plain data.

    Args:
        kind: The dataclass.
        data: A mapping of its fields.
        place: Where it lies in the whole, for messages.

    Raises:
        ConfigurationError: Unknown or wrong entries.
    """
    if not isinstance(data, Mapping):
        raise ConfigurationError(f"{place or 'the file'} must be a mapping, not {data!r}.")
    hints = typing.get_type_hints(kind)
    values = {}
    for name, value in data.items():
        if name not in hints:
            close = difflib.get_close_matches(str(name), hints, n=1)
            hint = f": did you mean {close[0]}?" if close else f"; known: {', '.join(hints)}."
            raise ConfigurationError(f"there is no entry {place}{name}{hint}")
        values[name] = _value(hints[name], value, f"{place}{name}")
    return kind(**values)


def _value(hint: Any, value: Any, place: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_mapping(hint, value, f"{place}.")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else _value(arguments[0], value, place)
    if origin is tuple and isinstance(value, list | tuple):
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            raise ConfigurationError(f"{place} takes {len(arguments)} values, not {value!r}.")
        return tuple(_value(arguments[0], item, place) for item in value)
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if isinstance(value, Mapping):
            return dict(value)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(hint, type) and isinstance(value, hint) and not isinstance(value, bool):
        return value
    wanted = getattr(hint, "__name__", str(hint))
    raise ConfigurationError(f"{place} must be of type {wanted}, not {value!r}.")
