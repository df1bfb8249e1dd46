"""JSON and YAML as typed data: strict JSON goes out, and only what fits a dataclass comes in.

Dataclasses are filled by msgspec: nothing is converted but an integer where a float is due, and
`__post_init__` may refuse what cannot work. Entries it would pass over in silence are refused here,
with the one that may have been meant. Writing is the standard library's, so that texts, and the
hashes taken of them, are those of every earlier version.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError, what_was_meant
from plane_anomalib.core.files import replaced

T = TypeVar("T")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_STEPS = re.compile(r"\.(\w+)|\[(\d+)\]|\[(\.\.\.)\]")
#: What msgspec calls things, in the words of those who write YAML.
_WORDS = {"array": "list", "object": "mapping"}


class TypedDataError(ConfigurationError):
    """Text that is not strict JSON or not YAML, or data that does not fit the wanted type."""


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

    Returns:
        The file.
    """
    with replaced(file) as temporary:
        temporary.write_text(strict_json(value, indent=2) + "\n", encoding="utf-8")
    return file


def load_strict(text: str) -> Any:
    """Parse JSON; NaN and Infinity, which Python would let through, are refused.

    Raises:
        TypedDataError: The text is not JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise TypedDataError(f"not strict JSON ({error})") from error


def read_json(kind: type[T], file: Path) -> T:
    """Read a file of `write_json`.

    Args:
        kind: See `from_plain`.
        file: The file.

    Raises:
        TypedDataError: It is missing, damaged, or does not fit.
    """
    try:
        text = _text(file)
    except TypedDataError as reason:
        raise TypedDataError(f"{file}: cannot be read ({reason})") from reason
    try:
        return from_plain(kind, load_strict(text))
    except TypedDataError as reason:
        raise TypedDataError(f"{file}: {reason}") from reason


def read_versioned(
    kind: type[T], file: Path, *, field: str, version: int, error: type[Exception], redo: str
) -> T:
    """Read a file of `write_json` that says which version of its schema it has.

    Args:
        kind: See `from_plain`.
        file: The file.
        field: Under which name the version stands.
        version: The one that is read.
        error: What to raise.
        redo: What to do about a file that is of no use, such as "train again".

    Raises:
        error: It is missing, damaged or of another version.
    """
    try:
        text = _text(file)
    except TypedDataError as reason:
        raise error(f"{file}: cannot be read ({reason}); {redo}.") from reason
    return parse_versioned(
        kind, text, str(file), field=field, version=version, error=error, redo=redo
    )


def parse_versioned(
    kind: type[T],
    text: str,
    source: str,
    *,
    field: str,
    version: int,
    error: type[Exception],
    redo: str,
) -> T:
    """What `read_versioned` does, of text.

    Args:
        kind: See `from_plain`.
        text: What `strict_json` gave.
        source: Where the text is from, for the error.
        field: Under which name the version stands.
        version: The one that is read.
        error: What to raise.
        redo: What to do about a text that is of no use, such as "train again".

    Raises:
        error: It is damaged or of another version.
    """
    try:
        data = load_strict(text)
    except TypedDataError as reason:
        raise error(f"{source}: cannot be read ({reason}); {redo}.") from reason
    found = data.get(field) if isinstance(data, dict) else None
    if found != version:
        raise error(
            f"{source}: is of version {found!r}, and this plane_anomalib reads {version}; use the "
            f"version that wrote it, or {redo}."
        )
    try:
        return from_plain(kind, data)
    except TypedDataError as reason:
        raise error(f"{source}: {str(reason).rstrip('.')}; {redo}.") from reason


def read_yaml(kind: type[T], path: str | Path) -> T:
    """Read a YAML file into a dataclass.

    Args:
        kind: See `from_plain`.
        path: The file.

    Raises:
        TypedDataError: The file is missing, not YAML, or has an unknown or wrong entry.
    """
    data = read_yaml_mapping(path)
    try:
        return from_plain(kind, data)
    except TypedDataError as error:
        raise TypedDataError(f"{path}: {error}") from error


def read_yaml_mapping(path: str | Path) -> Mapping[str, Any]:
    """The mapping that a YAML file holds; an empty file is an empty one.

    Raises:
        TypedDataError: The file is missing, not YAML, or something else than a mapping.
    """
    import yaml

    try:
        data = yaml.safe_load(_text(Path(path)))
    except yaml.YAMLError as error:
        raise TypedDataError(f"{path} is not YAML: {error}.") from error
    except TypedDataError as error:
        raise TypedDataError(f"{path} cannot be read: {error}.") from error
    if data is not None and not isinstance(data, Mapping):
        raise TypedDataError(f"{path} must hold a mapping, not {data!r:.60}.")
    return data or {}


def from_plain(kind: type[T], data: Any) -> T:
    """Turn the data of JSON or YAML into a dataclass, every field checked.

    Args:
        kind: A dataclass of dataclasses, `X | None`, `dict[str, X]`, `list[X]`, tuples,
            `Literal`, `Any` and scalars.
        data: What was read.

    Raises:
        TypedDataError: An entry is missing, unknown or of another type, or a dataclass refuses
            it; the message says which.
    """
    _refuse_unknown(_structure(cast(Any, kind)), data, "")
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        if isinstance(error.__cause__, PlaneAnomalibError):
            raise TypedDataError(str(error.__cause__)) from error
        raise TypedDataError(_explained(str(error), kind, data)) from error


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


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TypedDataError(str(getattr(error, "strerror", None) or error)) from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@lru_cache(maxsize=64)
def _structure(kind: Any) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(kind)


def _refuse_unknown(kind: msgspec.inspect.Type, data: Any, place: str) -> None:
    """Refuse entries that no dataclass knows, the outermost first."""
    inspect = msgspec.inspect
    if isinstance(kind, inspect.UnionType):
        for member in kind.types:
            _refuse_unknown(member, data, place)
    elif isinstance(kind, inspect.DataclassType) and isinstance(data, Mapping):
        known = {field.name: field.type for field in kind.fields}
        for name in data:
            if name not in known:
                meant = what_was_meant(str(name), known)
                raise TypedDataError(f"there is no entry {place}{name}: {meant}")
        for name, item in data.items():
            _refuse_unknown(known[name], item, f"{place}{name}.")
    elif isinstance(kind, inspect.DictType) and isinstance(data, Mapping):
        for name, item in data.items():
            _refuse_unknown(kind.value_type, item, f"{place}{name}.")
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType) and isinstance(data, list):
        for index, item in enumerate(data):
            _refuse_unknown(kind.item_type, item, f"{place.rstrip('.')}[{index}].")


def _explained(message: str, kind: type, data: Any) -> str:
    """A sentence of ours for one of msgspec's, with the key and the value that it leaves out."""
    problem, _, path = message.partition(" - at `$")
    steps, value = _located(kind, data, path.rstrip("`"))
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)[1:]
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", problem):
        return f"the entry {f'{place}.' if place else ''}{missing[1]} is missing."
    place = place or "the whole"
    if length := re.match(r"Expected `array` of length (\d+)", problem):
        return f"{place} takes {length[1]} values, not {value!r:.60}."
    if wrong := re.match(r"Expected `([^`]+)`", problem):
        word = wrong[1].removesuffix(" | null")
        word = _WORDS.get(word, word)
        wanted = "a mapping" if word == "mapping" else f"of type {word}"
        return f"{place} must be {wanted}, not {value!r:.60}."
    if choices := _choices(_structure(kind), steps):
        return f"{place} must be one of {', '.join(map(str, choices))}, not {value!r:.60}."
    return f"{place}: {problem}."


def _located(kind: type, data: Any, path: str) -> tuple[list[str | int], Any]:
    """The steps of msgspec's path, and what is there.

    msgspec writes `[...]` for the key of a mapping: it is the first that fails when it is alone.
    """
    whole = here = copy.deepcopy(data)
    steps: list[str | int] = []
    for name, index, key in _STEPS.findall(path):
        step = int(index) if index else name
        if key:
            for step, item in dict(here).items():
                here.clear()
                here[step] = item
                if not _fits(kind, whole):
                    break
        steps.append(step)
        here = here[step]
    return steps, here


def _fits(kind: type, data: Any) -> bool:
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError:
        return False
    return True


def _choices(kind: msgspec.inspect.Type, steps: Sequence[str | int]) -> tuple[Any, ...]:
    """The values that are allowed at a place; none where any of a type are."""
    inspect = msgspec.inspect
    for member in getattr(kind, "types", (kind,)):
        if isinstance(member, inspect.LiteralType):
            return member.values
        if not steps:
            continue
        if isinstance(member, inspect.DataclassType):
            inner = next(field.type for field in member.fields if field.name == steps[0])
        elif isinstance(member, inspect.TupleType):
            inner = member.item_types[int(steps[0])]
        elif isinstance(member, inspect.DictType):
            inner = member.value_type
        elif isinstance(member, inspect.ListType | inspect.VarTupleType):
            inner = member.item_type
        else:
            continue
        return _choices(inner, steps[1:])
    return ()
