"""Models, methods and datasets by name: the built-in ones and those of other packages.

A name stands for a lazy `"module:Class"`, so listing names imports nothing. Other packages add
their own through the entry point groups `plane_anomalib.models` and `plane_anomalib.datasets`, and
what declares their arguments through `plane_anomalib.methods` and `plane_anomalib.settings`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from plane_anomalib.core.errors import ConfigurationError, PlaneAnomalibError, what_was_meant

if TYPE_CHECKING:
    from plane_anomalib.core.results import Component

logger = logging.getLogger(__name__)

BUILT_IN = "plane-anomalib"
PARTS = ("pre_processor", "post_processor", "evaluator", "visualizer")
"""Arguments that every model has from anomalib: its components, `True` for the usual one."""


@dataclass(frozen=True)
class RegistryEntry:
    """One name of a registry.

    Args:
        name: The class's name, as typed after `--model` or `--data`.
        target: Where it is: `"module:Class"`.
        origin: The distribution that brings it.
        config: Where its arguments are declared: `"module:Class"` of a frozen dataclass that can be
            imported without it; empty where only the class tells.
        parts: Further arguments that it has, `True` by default.
    """

    name: str
    target: str
    origin: str = BUILT_IN
    config: str = ""
    parts: tuple[str, ...] = ()

    def arguments(self) -> dict[str, Any]:
        """Its arguments and their defaults, `inspect.Parameter.empty` where there is none.

        The class itself is imported only where no config declares them.

        Raises:
            PlaneAnomalibError: The class has to be imported and cannot be.
        """
        import inspect

        config = self.load_config()
        if config is not None:
            from plane_anomalib.core.configured import flat_arguments

            defaults = {name: each.default for name, each in flat_arguments(config).items()}
            return defaults | dict.fromkeys(self.parts, True)
        loose = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        parameters = inspect.signature(self.load()).parameters.values()
        return {each.name: each.default for each in parameters if each.kind not in loose}

    @property
    def being_imported(self) -> bool:
        """Whether the import of its module has begun and not ended: it has no class yet."""
        module = sys.modules.get(self.target.partition(":")[0])
        return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))

    def load_config(self) -> type | None:
        """The frozen dataclass that declares its arguments; None where only the class tells.

        Raises:
            PlaneAnomalibError: It cannot be imported.
        """
        return self._load(self.config) if self.config else None

    def load(self) -> type:
        """Import the class.

        Raises:
            PlaneAnomalibError: The module cannot be imported or has no such class.
        """
        return self._load(self.target)

    def _load(self, target: str) -> type:
        module_name, _, class_name = target.partition(":")
        try:
            loaded = getattr(import_module(module_name), class_name)
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            raise PlaneAnomalibError(
                f"{self.name} of {self.origin} cannot be loaded from {target} ({reason})."
            ) from error
        if not isinstance(loaded, type):
            raise PlaneAnomalibError(
                f"{self.name} of {self.origin} is no class: {target} is {loaded!r}."
            )
        return loaded


class Registry:
    """Lazily loaded classes of one kind.

    Args:
        kind: What the classes are, for messages: "model", "dataset".
        group: The entry point group in which other packages name theirs.
        built_in: Name to `"module:Class"` for the classes of this package.
        configs: What declares their arguments, by the same names.
        parts: Arguments that they have beside those declared ones.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, str],
        configs: Registry | None = None,
        parts: tuple[str, ...] = (),
    ) -> None:
        self.kind = kind
        self.group = group
        self._built_in = built_in
        self._configs = configs
        self._parts = parts
        self._reported: set[str] = set()

    @cached_property
    def entries(self) -> dict[str, RegistryEntry]:
        """All entries by name; a name that is taken already is reported and left out."""
        from importlib.metadata import entry_points  # a quarter of the package's import

        found = {name: self._entry(name, target) for name, target in self._built_in.items()}
        for point in entry_points(group=self.group):
            origin = point.dist.name if point.dist else "an unknown package"
            if point.name in found:
                owner = found[point.name].origin
                self._report(
                    f"{self.kind} {point.name} of {origin} is ignored: {owner} has one of that "
                    "name already."
                )
            else:
                found[point.name] = self._entry(point.name, point.value, origin)
        return found

    @property
    def names(self) -> list[str]:
        """All names; nothing is imported."""
        return list(self.entries)

    def entry(self, name: str) -> RegistryEntry:
        """What is known by a name; upper and lower case, `_` and `-` do not matter.

        Raises:
            ConfigurationError: No such name; the message says which one may have been meant.
        """
        for entry in self.entries.values():
            if normalised(entry.name) == normalised(name):
                return entry
        raise ConfigurationError(self.unknown(name))

    def get(self, name: str) -> type:
        """The class behind a name, see `entry`.

        Raises:
            ConfigurationError: No such name; the message says which one may have been meant.
            PlaneAnomalibError: The class cannot be imported.
        """
        return self.entry(name).load()

    def complete(self, name: str, given: Mapping[str, Any]) -> Component:
        """A name and arguments with every argument its constructor takes, as plain data.

        Args:
            name: See `entry`.
            given: Arguments that take the place of defaults.

        Raises:
            ConfigurationError: No such name, no such argument, or one without default is not given.
            PlaneAnomalibError: The class has to be imported and cannot be.
        """
        from inspect import Parameter

        from plane_anomalib.core.results import Component
        from plane_anomalib.core.typed_data import to_plain

        entry = self.entry(name)
        defaults = entry.arguments()
        for argument in given:
            if argument not in defaults:
                meant = what_was_meant(argument, defaults)
                raise ConfigurationError(f"{entry.name} has no argument {argument!r}: {meant}")
        values = {**defaults, **given}
        if absent := [argument for argument, value in values.items() if value is Parameter.empty]:
            raise ConfigurationError(
                f"{entry.name} needs {', '.join(absent)}: say it in its arguments."
            )
        return Component(entry.name, {key: to_plain(value) for key, value in values.items()})

    def unknown(self, name: str) -> str:
        """One sentence for a name that stands for nothing."""
        similar = self.similar(name)
        if similar:
            return f"No {self.kind} is called {name!r}: did you mean {similar[0]}?"
        return f"No {self.kind} is called {name!r}: there are {', '.join(self.names)}."

    def similar(self, name: str) -> list[str]:
        """The names that may have been meant, the most likely first."""
        import difflib  # not needed where nothing is wrong

        by_spelling = {normalised(known): known for known in self.entries}
        close = difflib.get_close_matches(normalised(name), by_spelling, n=3, cutoff=0.6)
        return [by_spelling[spelling] for spelling in close]

    def load_all(self) -> dict[str, type]:
        """Import every class; those that cannot be are reported by name and left out.

        A class whose module is being imported is left out as well: importing anomalib half-way
        through it has led here, and it will be there when that is done.
        """
        loaded = {}
        for name, entry in self.entries.items():
            if entry.being_imported:
                continue
            try:
                loaded[name] = entry.load()
            except PlaneAnomalibError as error:
                self._report(f"{error} The other {self.kind}s work.")
        return loaded

    def publish(self, package: ModuleType) -> None:
        """Make every name an attribute of `package`, imported when first asked for.

        What the package defines itself is never shadowed: a module's `__getattr__` is only asked
        for what is missing.

        Args:
            package: For instance `anomalib.models`.
        """
        if getattr(package, "__plane_anomalib__", False):
            return
        before = getattr(package, "__getattr__", None)

        def lazy(name: str) -> Any:
            entry = self.entries.get(name)
            if entry is not None:
                return entry.load()
            if before is not None:
                return before(name)
            raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")

        vars(package).update(__getattr__=lazy, __plane_anomalib__=True)

    def _entry(self, name: str, target: str, origin: str = BUILT_IN) -> RegistryEntry:
        config = self._configs.entries.get(name) if self._configs else None
        return RegistryEntry(name, target, origin, config.target if config else "", self._parts)

    def _report(self, sentence: str) -> None:
        if sentence not in self._reported:
            self._reported.add(sentence)
            logger.warning(sentence)


# What `plane-anomalib` fits and judges with, without anomalib: the configs of plain methods.
METHODS = Registry(
    "method",
    "plane_anomalib.methods",
    {
        "Plane": "plane_anomalib.models.plane.config:PlaneConfig",
        "BTF": "plane_anomalib.models.btf:BTFConfig",
        "PatchCore3D": "plane_anomalib.models.patchcore3d:PatchCore3DConfig",
        "M3DM": "plane_anomalib.models.m3dm:M3DMConfig",
        "Reg3DAD": "plane_anomalib.models.reg3dad:Reg3DADConfig",
        "TemplateResidual": "plane_anomalib.models.template_residual:TemplateResidualConfig",
    },
)

# Their Lightning classes.
MODELS = Registry(
    "model",
    "plane_anomalib.models",
    {
        "Plane": "plane_anomalib.models.plane.lightning_model:Plane",
        "BTF": "plane_anomalib.models.lightning.fitted_models:BTF",
        "PatchCore3D": "plane_anomalib.models.lightning.fitted_models:PatchCore3D",
        "M3DM": "plane_anomalib.models.lightning.fitted_models:M3DM",
        "Reg3DAD": "plane_anomalib.models.lightning.fitted_models:Reg3DAD",
        "TemplateResidual": ("plane_anomalib.models.lightning.fitted_models:TemplateResidual"),
    },
    METHODS,
    PARTS,
)

SETTINGS = Registry(
    "settings",
    "plane_anomalib.settings",
    {
        "AnomalyShapeNet": "plane_anomalib.data.settings:AnomalyShapeNetSettings",
        "Real3DAD": "plane_anomalib.data.settings:Real3DADSettings",
        "MulSenAD": "plane_anomalib.data.settings:MulSenADSettings",
        "MiniShift": "plane_anomalib.data.settings:MiniShiftSettings",
        "PointCloudFolder": "plane_anomalib.data.settings:PointCloudFolderSettings",
        "ProceduralShapes": "plane_anomalib.data.settings:ProceduralShapesSettings",
    },
)

DATASETS = Registry(
    "dataset",
    "plane_anomalib.datasets",
    {
        "AnomalyShapeNet": "plane_anomalib.data.anomaly_shapenet:AnomalyShapeNet",
        "Real3DAD": "plane_anomalib.data.real3d_ad:Real3DAD",
        "MulSenAD": "plane_anomalib.data.mulsen_ad:MulSenAD",
        "MiniShift": "plane_anomalib.data.minishift:MiniShift",
        "PointCloudFolder": "plane_anomalib.data.folder:PointCloudFolder",
        "ProceduralShapes": "plane_anomalib.data.shapes:ProceduralShapes",
    },
    SETTINGS,
)


def register() -> None:
    """Let anomalib know every model and dataset by its bare name.

    anomalib's `list_models`, `get_model` and command line know the classes that have been
    imported, so all are; its benchmark and `get_datamodule` look for attributes of
    `anomalib.models` and `anomalib.data`, so they are published there.
    """
    import anomalib.data
    import anomalib.models

    MODELS.publish(anomalib.models)
    DATASETS.publish(anomalib.data)
    MODELS.load_all()
    DATASETS.load_all()


def register_when_imported() -> None:
    """Do what `register` does, as soon as somebody imports anomalib's models, and not before."""
    from plane_anomalib_autoload import after_import

    if "anomalib.models" in sys.modules:
        register()
        return
    after_import("anomalib.models", register)
    if "anomalib.data" in sys.modules:
        DATASETS.publish(sys.modules["anomalib.data"])
    else:
        after_import("anomalib.data", lambda: DATASETS.publish(sys.modules["anomalib.data"]))


def normalised(name: str) -> str:
    """A name without what does not matter in it: upper and lower case, `_` and `-`."""
    return name.replace("_", "").replace("-", "").lower()
