"""Strict JSON for dataclasses: nothing JSON has no word for goes out, nothing untyped comes in."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.core.files import replaced

T = TypeVar("T")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class JsonDataError(PlaneAnomalibError):
    """JSON text that is not strict, or data that does not fit the wanted type."""


def strict_json(value: Any, indent: int | None = None) -> str:
    """Canonical JSON: sorted keys, NaN and infinity as null, paths and unknown objects as text.

    Args:
        value: Dataclasses, mappings, sequences, numbers, arrays, tensors, paths, anything.
        indent: Spaces per level; None writes one line.

    Returns:
        The same text for equal values in every process.
    """
    return json.dumps(to_plain(value), sort_keys=True, indent=indent, allow_nan=False)


def write_json(file: Path, value: Any) -> Path:
    """Write a value as indented JSON, whole or not at all.

    Args:
        file: The file to make or replace.
        value: See `strict_json`.
    """
    with replaced(file) as temporary:
        temporary.write_text(strict_json(value, indent=2) + "\n", encoding="utf-8")
    return file


def read_versioned(
    kind: type[T], file: Path, *, field: str, version: int, error: type[Exception], redo: str
) -> T:
    """Read a file of `write_json` that says which version of its schema it has.

    Args:
        kind: A dataclass.
        file: The file.
        field: Under which name the version stands.
        version: The one that is read.
        error: What to raise.
        redo: What to do about a file that is of no use, such as "train again".

    Raises:
        error: It is missing, damaged or of another version.
    """
    try:
        data = load_strict(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, JsonDataError) as reason:
        raise error(f"{file}: cannot be read ({reason}); {redo}.") from reason
    found = data.get(field) if isinstance(data, dict) else None
    if found != version:
        raise error(
            f"{file}: is of version {found!r}, and this plane_anomalib reads {version}; use the "
            f"version that wrote it, or {redo}."
        )
    try:
        return from_plain(kind, data)
    except PlaneAnomalibError as reason:
        raise error(f"{file}: {reason}; {redo}.") from reason


def to_plain(value: Any) -> Any:
    """JSON data of anything: a number JSON has no word for becomes None, an object its name."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name)) for field in fields}
    if hasattr(value, "items") and not isinstance(value, type):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((to_plain(item) for item in value), key=str)
    if isinstance(value, Sequence):
        return [to_plain(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    if hasattr(value, "tolist"):
        return to_plain(value.tolist())
    # A memory address in an object's text would make no two runs alike.
    return str(getattr(value, "__qualname__", None) or _ADDRESS.sub("", str(value)))


def load_strict(text: str) -> Any:
    """Parse JSON; NaN and Infinity, which Python would let through, are refused.

    Raises:
        JsonDataError: The text is not JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise JsonDataError(f"not strict JSON ({error})") from error


def from_plain(kind: type[T], data: Any) -> T:
    """Turn JSON data into a dataclass, every field checked.

    Args:
        kind: A dataclass of dataclasses, `X | None`, `dict[str, X]`, `list[X]`,
            `tuple[X, Y]`, `Literal`, `Any` and scalars.
        data: What :func:`load_strict` gave.

    Raises:
        JsonDataError: A field is missing, unknown or of another type; the message says which.
    """
    return typing.cast(T, _build(kind, data, ""))


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _build(kind: Any, data: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return data
    if origin in (types.UnionType, typing.Union):
        wanted = next(a for a in arguments if a is not types.NoneType)
        return None if data is None else _build(wanted, data, where)
    if dataclasses.is_dataclass(kind) and isinstance(data, dict):
        return _build_dataclass(typing.cast(type, kind), data, where)
    if origin is dict and isinstance(data, dict):
        return {key: _build(arguments[1], item, f"{where}.{key}") for key, item in data.items()}
    if origin is typing.Literal and data in arguments:
        return data
    if origin is tuple and isinstance(data, list) and len(data) == len(arguments):
        pairs = zip(arguments, data, strict=True)
        return tuple(_build(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(pairs))
    if origin is list and isinstance(data, list):
        return [_build(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(data)]
    if kind is float and type(data) is int:
        return float(data)
    if kind in (bool, int, float, str) and type(data) is kind:
        return data
    plain = origin is None or origin in (dict, list)
    name = getattr(origin or kind, "__name__", str(kind)) if plain else str(kind)
    raise JsonDataError(f"{where.lstrip('.') or 'top level'} must be {name} and is {data!r:.60}")


def _build_dataclass(kind: type[T], data: dict[str, Any], where: str) -> T:
    hints = typing.get_type_hints(kind)
    for problem, names in (
        ("misses", hints.keys() - data.keys()),
        ("has unknown", data.keys() - hints.keys()),
    ):
        if names:
            place = where.lstrip(".") or "top level"
            raise JsonDataError(f"{place} {problem} {', '.join(sorted(names))}")
    return kind(
        **{name: _build(hint, data[name], f"{where}.{name}") for name, hint in hints.items()}
    )
