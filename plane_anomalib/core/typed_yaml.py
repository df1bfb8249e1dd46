"""YAML files as typed dataclasses, with errors that say which entry is wrong and why."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from plane_anomalib.core.errors import ConfigurationError

T = TypeVar("T")


def read_mapping(path: str | Path) -> Mapping[str, Any]:
    """The mapping that a YAML file holds; an empty file is an empty one.

    Raises:
        ConfigurationError: The file is missing, not YAML, or something else than a mapping.
    """
    import yaml

    path = Path(path)
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path} cannot be read: {reason}.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {error}.") from error
    if data is not None and not isinstance(data, Mapping):
        raise ConfigurationError(f"{path} must hold a mapping, not {data!r:.60}.")
    return data or {}


def load_typed(kind: type[T], path: str | Path) -> T:
    """Read a YAML file into a dataclass.

    Args:
        kind: The dataclass.
        path: The file.

    Raises:
        ConfigurationError: The file is missing, not YAML, or has an unknown or wrong entry.
    """
    data = read_mapping(path)
    try:
        return from_mapping(kind, data)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def from_mapping(kind: type[T], data: Any, place: str = "") -> T:
    """Make a dataclass of plain data.

    Args:
        kind: The dataclass.
        data: A mapping of its fields.
        place: Where it lies in the whole, for messages.

    Raises:
        ConfigurationError: Unknown, missing or wrong entries.
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
    for field in dataclasses.fields(typing.cast(Any, kind)):
        absent = field.default is field.default_factory is dataclasses.MISSING
        if absent and field.name not in values:
            raise ConfigurationError(f"the entry {place}{field.name} is missing.")
    return kind(**values)


def _value(hint: Any, value: Any, place: str) -> Any:
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_mapping(hint, value, f"{place}.")
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else _value(arguments[0], value, place)
    if origin is tuple and isinstance(value, list | tuple):
        return _tuple(arguments, value, place)
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if isinstance(value, Mapping):
            return dict(value)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif hint is bool or isinstance(value, bool):
        if hint is bool and isinstance(value, bool):
            return value
    elif isinstance(hint, type) and isinstance(value, hint):
        return value
    wanted = getattr(hint, "__name__", str(hint))
    raise ConfigurationError(f"{place} must be of type {wanted}, not {value!r}.")


def _tuple(arguments: tuple[Any, ...], value: list[Any] | tuple[Any, ...], place: str) -> Any:
    if arguments[-1] is not Ellipsis and len(value) != len(arguments):
        raise ConfigurationError(f"{place} takes {len(arguments)} values, not {value!r}.")
    nested = dataclasses.is_dataclass(arguments[0])
    places = [f"{place}[{index}]" if nested else place for index in range(len(value))]
    return tuple(_value(arguments[0], item, at) for item, at in zip(value, places, strict=True))
