"""What a method can be told, declared once and checked where it is given, whoever gives it.

Nothing here, nor in the modules of the methods' configs, imports numpy or torch.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from types import UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from plane_anomalib.core.errors import ConfigurationError

Preset = Literal["fixed", "faithful"]
Scope = Literal["category", "all"]


@dataclass(frozen=True)
class MethodConfig:
    """Every choice of a method, with its default; a base for the configs of methods.

    A subclass is a frozen dataclass whose fields have defaults and a line under `Args:` each; the
    signature of the Lightning class, YAML and documentation come from it (`core.configured`).

    Attributes:
        method: `"module:callable"` that makes the method of its config.
        judge: `"module:callable"` that makes, of the config and what one detector of the method has
            learnt as arrays by name, a function from a cloud to `CloudScores` that needs no torch;
            empty where there is none.
        seconds_per_cloud: What scoring a cloud of 12,000 to 20,000 points takes on two cores, the
            share of fitting included, so that a plan can say how long it takes; None if unknown.

    Raises:
        ConfigurationError: A value cannot work.
    """

    method: ClassVar[str]
    judge: ClassVar[str] = ""
    seconds_per_cloud: ClassVar[float | None] = None

    @property
    def training_seconds(self) -> float:
        """What training takes on two cores, roughly; 0 for a method that is only fitted."""
        return 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):
                object.__setattr__(self, field.name, tuple(value))
        check_choices(type(self), vars(self))
        self.check()

    def check(self) -> None:
        """Refuse what cannot work; words outside a `Literal` have been refused already.

        Raises:
            ConfigurationError: A value cannot work, alone or beside another.
        """

    def create(self) -> Any:
        """Make the method, neither fitted nor trained (a `Method` of `components.method`).

        Raises:
            ConfigurationError: A value cannot work.
            WeightsError: A backbone's weights are missing or damaged.
        """
        return _named(self.method)(self)

    def create_judge(self, arrays: Mapping[str, Any]) -> Any:
        """Make what scores clouds without torch, where there is a `judge`.

        Args:
            arrays: What one detector of the method has learnt, by name.

        Raises:
            ConfigurationError: Nothing was learnt.
        """
        return _named(self.judge)(self, arrays)


def _named(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def check_choices(function: Callable[..., Any], values: Mapping[str, Any]) -> None:
    """Refuse words that an argument of `Literal` type does not know.

    The command line checks types itself; a Python caller's typing error would only show later.

    Args:
        function: Whose annotations say what is allowed.
        values: The arguments by name; others than its own are left alone.

    Raises:
        ConfigurationError: A word is not one of the choices.
    """
    for name, hint in get_type_hints(function).items():
        choices = _choices(hint)
        value = values.get(name)
        if not choices or not isinstance(value, str) or value in choices:
            continue
        close = difflib.get_close_matches(value, choices, n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise ConfigurationError(
            f"{name} must be one of {', '.join(choices)}, not {value!r}{meant}."
        )


def check_numbers(
    values: Mapping[str, Any], *, above: Mapping[str, float], least: Mapping[str, float]
) -> None:
    """Refuse numbers that are too small; `None` passes.

    Args:
        values: The arguments by name.
        above: Names and the bound that they must exceed.
        least: Names and the bound that they must reach.

    Raises:
        ConfigurationError: A number is too small.
    """
    for name, bound in above.items():
        if values[name] is not None and not values[name] > bound:
            raise ConfigurationError(f"{name} must be above {bound}, not {values[name]}.")
    for name, bound in least.items():
        if values[name] is not None and not values[name] >= bound:
            raise ConfigurationError(f"{name} must be at least {bound}, not {values[name]}.")


def as_typed(value: Any) -> str:
    """A value as the command line takes it; lists and tuples are the same."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def different_arguments(
    trained: Mapping[str, Any], given: Mapping[str, Any], names: Iterable[str]
) -> dict[str, Any]:
    """The arguments that a checkpoint has otherwise than the model that loads it.

    Args:
        trained: The checkpoint's, by name; arguments that came later than it pass.
        given: Those of the model that loads it.
        names: Which to compare.

    Returns:
        The checkpoint's values of those that differ.
    """
    known = [name for name in names if name in trained]
    return {n: trained[n] for n in known if as_typed(trained[n]) != as_typed(given[n])}


def refuse_different(different: Mapping[str, Any]) -> None:
    """Name the arguments of a checkpoint that have to be repeated.

    `test` and `predict` do not restore a checkpoint's arguments. Some that differ would fail on the
    shapes of tensors; others would load and score nonsense.

    Raises:
        ConfigurationError: There is one.
    """
    if different:
        repeat = " ".join(f"--model.{name}={as_typed(value)}" for name, value in different.items())
        raise ConfigurationError(
            f"The checkpoint was trained with other arguments than those given: repeat {repeat}."
        )


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [choice for choice in get_args(hint) if isinstance(choice, str)]
    if get_origin(hint) in (Union, UnionType):
        if str in get_args(hint):
            return []
        return [choice for part in get_args(hint) for choice in _choices(part)]
    return []
