"""Clear words for what jsonargparse refuses, where it concerns this package."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Sequence

from plane_anomalib.core.registry import DATASETS, MODELS, Registry

_KEY = re.compile(r'Parser key "(?P<key>model|data)":')
_UNKNOWN_NAME = re.compile(r"Expected a dot import path string: (?P<name>\w+)\n")
_WRONG_ARGUMENT = re.compile(
    r"Problem with given class_path '(?P<path>[\w.]+)':\s*(?P<reason>.*?)\s*Given value type", re.S
)
_UNKNOWN_OPTION = re.compile(r"Option '(?P<option>\w+)' is not accepted")
_WRONG_TYPE = re.compile(
    r"Parser key \"(?P<option>[\w.]+)\":\s*Expected a <class '(?P<type>[\w.]+)'>\. "
    r"Got value: (?P<value>[^\n]*)"
)


def explain(message: str, typed: Sequence[str]) -> str | None:
    """One sentence for a parser's message about `--model` or `--data`.

    Args:
        message: jsonargparse's message, several lines.
        typed: The command line; a message about an unknown dataset is taken to concern this
            package if one of its models is named there.

    Returns:
        The sentence, or None if the message is not about this package.

    Raises:
        PlaneAnomalibError: The name is known but the class behind it cannot be imported.
    """
    key = _KEY.search(message)
    if key is None:
        return None
    registry = MODELS if key["key"] == "model" else DATASETS
    unknown = _UNKNOWN_NAME.search(message)
    if unknown:
        return _unknown_name(registry, unknown["name"], typed)
    wrong = _WRONG_ARGUMENT.search(message)
    if wrong:
        name = wrong["path"].rpartition(".")[2]
        if name in registry.entries:
            return f"--{key['key']}{_wrong_argument(registry, name, wrong['reason'])}"
    return None


def _unknown_name(registry: Registry, name: str, typed: Sequence[str]) -> str | None:
    if name in registry.entries:
        registry.get(name)  # Known, yet not imported: this raises the reason.
    words = {word.rpartition("=")[2].rpartition(".")[2] for word in typed}
    if words.isdisjoint(MODELS.names) and not registry.similar(name):
        return None
    return registry.unknown(name)


def _wrong_argument(registry: Registry, name: str, reason: str) -> str:
    """What follows `--model` or `--data`: the argument's name, and what is wrong with it."""
    unknown = _UNKNOWN_OPTION.search(reason)
    if unknown:
        option = unknown["option"]
        options = list(inspect.signature(registry.get(name)).parameters)
        close = difflib.get_close_matches(option, options, n=1)
        meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(options)}."
        return f".{option}: {name} has no such argument: {meant}"
    wrong = _WRONG_TYPE.search(reason)
    if wrong:
        return f".{wrong['option']}: {wrong['type']} expected, not {wrong['value']!r}."
    return f" {name}: {' '.join(reason.split())}"
