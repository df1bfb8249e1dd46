"""A choice declared once: the fields of a frozen dataclass are the arguments of a class.

`configured` gives a class the flat signature and the documentation of its config, as the command
line, YAML files, `inspect.signature` and Lightning's hyper-parameters want them.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from itertools import takewhile
from typing import Any, TypeVar, get_type_hints

from plane_anomalib.core.errors import ConfigurationError, what_was_meant

T = TypeVar("T")

_REQUIRED = inspect.Parameter.empty

_ENTRY = re.compile(r"(\*{0,2}\w+)(?: \([^)]*\))?:")
_SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises|Examples?|Notes?|References):\s*$")


@dataclass(frozen=True)
class Argument:
    """One flat argument of a config.

    Attributes:
        name: The field's.
        annotation: Its type, resolved.
        default: Its default; `inspect.Parameter.empty` where it has to be given.
        text: Its documentation as the docstring has it, from `name:` on; empty if there is none.
    """

    name: str
    annotation: Any
    default: Any
    text: str = ""


def flat_arguments(config: type) -> dict[str, Argument]:
    """The arguments that a config stands for, by name; those of parts stand beside the others.

    Args:
        config: A frozen dataclass. A field that is a frozen dataclass itself has a default and
            gives its fields.

    Raises:
        TypeError: `config` is no such dataclass, or two fields have one name.
    """
    if not (is_dataclass(config) and config.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        raise TypeError(f"{config.__name__} must be a frozen dataclass.")
    hints = get_type_hints(config, include_extras=True)
    texts: dict[str, str] = {}
    for base in reversed(config.__mro__):
        texts |= _documented(base, "Args") | _documented(base, "Attributes")
    found: dict[str, Argument] = {}
    for field in fields(config):
        default = _default(config, field)
        if is_dataclass(hints[field.name]):
            if default is _REQUIRED:
                raise TypeError(f"{config.__name__}.{field.name} must have a default.")
            part = flat_arguments(hints[field.name])
            if not isinstance(default, type):
                given = to_arguments(default)
                part = {n: Argument(n, a.annotation, given[n], a.text) for n, a in part.items()}
        else:
            text = texts.get(field.name, "")
            part = {field.name: Argument(field.name, hints[field.name], default, text)}
        if twice := found.keys() & part.keys():
            raise TypeError(f"{config.__name__} has {', '.join(sorted(twice))} twice.")
        found |= part
    return found


def from_arguments(config: type[T], values: Mapping[str, Any], owner: str = "") -> T:
    """Make a config of flat arguments; those that are not given have their defaults.

    Args:
        config: As for `flat_arguments`.
        values: Values by name.
        owner: What the arguments are for, to be named in an error; by default the config.

    Raises:
        ConfigurationError: There is no such argument, or the config refuses a value.
    """
    names = flat_arguments(config).keys()
    for name in values:
        if name not in names:
            wrong = f"{owner or config.__name__} has no argument {name!r}"
            raise ConfigurationError(f"{wrong}: {what_was_meant(name, names)}")
    return _made(config, values)


def to_arguments(config: Any) -> dict[str, Any]:
    """The flat arguments of a config by name: what `from_arguments` makes it of again."""
    values: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        values |= to_arguments(value) if is_dataclass(value) else {field.name: value}
    return values


def configured(config: type) -> Callable[[type[T]], type[T]]:
    """Make the fields of a config arguments of a class.

    A class without `__init__` gets one. It makes `self.config` of its arguments first, so that what
    cannot work is refused, calls the parent's `__init__` with those that the parent takes, and at
    last `self.build()`, if there is one. A subclass that is configured anew has its own config and
    `build`, once. Lightning's `save_hyperparameters` finds the arguments as local variables:

        @configured(PlaneConfig)
        class Plane(PointCloudMixin, AnomalibModule):
            config: PlaneConfig

            def build(self) -> None:
                self.model = PlaneModel(self.config)

    A class with `__init__(self, <its own>, **arguments)` keeps it; `arguments` are spelt out as the
    fields. (Not where a parent saves hyper-parameters: Lightning looks at local variables.)

        @configured(LoaderSettings)
        class MyScans(PointCloudDataModule):
            def __init__(self, root: Path, **loading: Any) -> None:
                super().__init__(root, **loading)

    Args:
        config: A frozen dataclass, every field with a line under `Args:`.

    Returns:
        A decorator that gives a class its `__init__` and its docstring's `Args:`.
    """

    def decorate(cls: type[T]) -> type[T]:
        arguments = flat_arguments(config)
        if "__init__" in vars(cls):
            names = _spell_out(cls, arguments)
        else:
            names = _add_constructor(cls, config, arguments)
        _document(cls, names, arguments)
        return cls

    return decorate


def _default(config: type, field: Field[Any]) -> Any:
    """A field's default; a part that is made by its own class stands as that class."""
    if field.default is not MISSING:
        return field.default
    if field.default_factory is MISSING:
        return _REQUIRED
    if is_dataclass(field.default_factory):
        return field.default_factory
    return field.default_factory()


def _made(config: type[T], values: Mapping[str, Any]) -> T:
    hints = get_type_hints(config)
    own: dict[str, Any] = {}
    for field in fields(config):  # type: ignore[arg-type]
        if not is_dataclass(hints[field.name]):
            own |= {field.name: values[field.name]} if field.name in values else {}
            continue
        part = hints[field.name]
        default = _default(config, field)
        base = {} if isinstance(default, type) else to_arguments(default)
        known = flat_arguments(part).keys()
        own[field.name] = _made(part, base | {n: v for n, v in values.items() if n in known})
    return config(**own)


def _spell_out(cls: type, arguments: Mapping[str, Argument]) -> list[str]:
    """Put the arguments into the signature of a class's own constructor; returns all names."""
    own = _parameters(cls)
    if len(own) == len(inspect.signature(cls.__init__).parameters) - 1:  # type: ignore[misc]
        raise TypeError(f"{cls.__name__}.__init__ must take **arguments, or not be written.")
    rest = [
        inspect.Parameter(a.name, inspect.Parameter.KEYWORD_ONLY, default=a.default).replace(
            annotation=a.annotation
        )
        for a in arguments.values()
        if a.name not in {parameter.name for parameter in own}
    ]
    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    cls.__init__.__signature__ = inspect.Signature([this, *own, *rest])  # type: ignore[misc]
    return [parameter.name for parameter in [*own, *rest]]


def _add_constructor(cls: type, config: type, arguments: Mapping[str, Argument]) -> list[str]:
    """Give a class the constructor that `configured` promises; returns its arguments' names."""
    parents = {parameter.name: parameter for parameter in _parameters(cls)}
    known = {name: parameter.default for name, parameter in parents.items()}
    known |= {name: argument.default for name, argument in arguments.items()}
    defaults = {name: value for name, value in known.items() if value is not _REQUIRED}
    ordered = [*arguments, *(name for name in parents if name not in arguments)]
    names = sorted(ordered, key=lambda name: name in defaults)  # stable: the required come first

    header = [f"{name}=_defaults[{name!r}]" if name in defaults else name for name in names]
    source = f"""
def _factory(__class__, _defaults, _config):
    def __init__(self, {", ".join(header)}):
        outermost = "config" not in self.__dict__
        if outermost:
            self.config = _config(dict({", ".join(f"{name}={name}" for name in arguments)}))
        super().__init__({", ".join(f"{name}={name}" for name in parents)})
        if outermost and hasattr(self, "build"):
            self.build()
    return __init__
"""
    scope: dict[str, Any] = {}
    # As `dataclass` does it: only a function's own text makes its arguments local variables. All
    # that is inserted are names of parameters.
    exec(source, scope)  # noqa: S102
    constructor = scope["_factory"](cls, defaults, lambda values: _made(config, values))
    annotations = {name: parents[name].annotation for name in parents}
    annotations |= {name: argument.annotation for name, argument in arguments.items()}
    constructor.__annotations__ = {name: annotations[name] for name in names} | {"return": None}
    constructor.__module__ = cls.__module__
    constructor.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = constructor  # type: ignore[misc]
    return names


def _parameters(cls: type) -> list[inspect.Parameter]:
    """What a class's constructor takes by name, `self` apart, with types where they resolve."""
    constructor = cls.__init__  # type: ignore[misc]
    loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    try:
        hints = get_type_hints(constructor, include_extras=True)
    except NameError:  # a type that is imported for type checkers alone
        hints = {}
    return [
        each.replace(annotation=hints.get(each.name, each.annotation))
        for each in [*inspect.signature(constructor).parameters.values()][1:]
        if each.kind not in loose
    ]


def _document(cls: type, names: Iterable[str], arguments: Mapping[str, Argument]) -> None:
    """Write the `Args:` of a class: its own words first, then the config's, then its parents'."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__[1:]):
        texts |= _documented(base, "Args")
    texts |= {name: argument.text for name, argument in arguments.items() if argument.text}
    texts |= _documented(cls, "Args")
    section = ["Args:", *(_indented(texts[name]) for name in names if name in texts)]
    lines = inspect.cleandoc(cls.__doc__ or "").splitlines()
    starts = [number for number, line in enumerate(lines) if _SECTION.match(line)]
    first = next((n for n in starts if lines[n].startswith("Args")), None)
    if first is None:
        first = last = starts[0] if starts else len(lines)
    else:
        last = next((number for number in starts if number > first), len(lines))
    before = "\n".join(lines[:first]).rstrip()
    after = "\n".join(lines[last:])
    cls.__doc__ = "\n\n".join(part for part in (before, "\n".join(section), after) if part)


def _documented(cls: type, section: str) -> dict[str, str]:
    """What a class's docstring says of each name in a section, from the name on."""
    lines = inspect.cleandoc(vars(cls).get("__doc__") or "").splitlines()
    if f"{section}:" not in lines:
        return {}
    body = lines[lines.index(f"{section}:") + 1 :]
    found: dict[str, str] = {}
    name = ""
    for line in takewhile(lambda line: not line or line[0] == " ", body):
        entry = _ENTRY.match(line[4:])
        if entry and line[:4].isspace():
            name = entry[1]
            found[name] = line[4:]
        elif name:
            found[name] += "\n" + line[4:]
    return {name: text.rstrip() for name, text in found.items()}


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())
