"""Makes bare `anomalib train --model Plane` work; standard library only, never raises.

anomalib has no plugin mechanism, but torch calls every entry point of the group `torch.backends`
when it is imported. `install` therefore runs in every program that imports torch, anomalib's
commands among them, and only leaves two one-shot import hooks behind: once anomalib's engine has
been imported, this package is registered with it, and while anomalib's command line is being
imported, ours is put in its place. Programs that never import anomalib pay for nothing else.

`PLANE_ANOMALIB_AUTOLOAD=0` turns all of it off.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def install() -> None:
    """Install the import hooks (called by torch when it is imported)."""
    try:
        if os.environ.get("PLANE_ANOMALIB_AUTOLOAD", "1") != "0":
            after_import("anomalib.engine.engine", _register)
            # The last module that anomalib.cli.cli imports whose spec is found after torch's.
            after_import("anomalib.cli.utils.openvino", _extend_command_line)
    except Exception as error:  # whatever leaves this breaks `import torch`
        _report(error)


def after_import(name: str, callback: Callable[[], object]) -> None:
    """Call `callback` once, right after the module `name` has been executed for the first time.

    Args:
        name: Dotted name of a module that is not imported yet.
        callback: Whatever it raises is reported in one sentence on stderr and goes no further.
    """
    if not any(isinstance(f, _Finder) and f.name == name for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder(name, callback))


class _Finder:
    """Answers for one module only: its ordinary spec, with a loader that calls back."""

    def __init__(self, name: str, callback: Callable[[], object]) -> None:
        self.name = name
        self.callback = callback

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        for finder in list(sys.meta_path):
            find_spec = None if finder is self else getattr(finder, "find_spec", None)
            spec = find_spec(fullname, path, target) if find_spec else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader, self)
                return spec
        return None


class _Loader:
    """Stands in for a module's loader until the module has been executed."""

    def __init__(self, loader: Any, finder: _Finder) -> None:
        self.loader = loader
        self.finder = finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The original goes back first: nothing else is to see that anyone was here.
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        if self.finder in sys.meta_path:
            sys.meta_path.remove(self.finder)
        self.loader.exec_module(module)
        try:
            # The import system binds the module to its package only after this; the callback is
            # to find it there.
            package, _, name = self.finder.name.rpartition(".")
            if package:
                setattr(sys.modules[package], name, module)
            self.finder.callback()
        except (Exception, SystemExit) as error:  # its host is to go on
            _report(error)


def _register() -> None:
    import_module("plane_anomalib").register()


def _extend_command_line() -> None:
    """Let `anomalib.cli.cli.main`, still being imported, build our command line instead.

    The class does not exist yet; `configure_logger` is what `main` calls just before it is needed.
    """
    command_line = sys.modules.get("anomalib.cli.cli")
    if command_line is None:
        return
    loggers: Any = import_module("anomalib.loggers")
    configure_logger = loggers.configure_logger

    def configure_logger_and_extend(*args: Any, **kwargs: Any) -> None:
        configure_logger(*args, **kwargs)
        try:
            ours = import_module("plane_anomalib.cli.anomalib_cli")
            command_line.AnomalibCLI = ours.PointCloudCLI  # type: ignore[attr-defined]
        except (Exception, SystemExit) as error:  # anomalib's own commands go on
            _report(error)

    loggers.configure_logger = configure_logger_and_extend


def _report(error: BaseException) -> None:
    with suppress(Exception):  # stderr may be closed
        sys.stderr.write(
            "plane-anomalib could not be loaded and its models are not available "
            f"({type(error).__name__}: {error}); everything else works as without it. "
            "PLANE_ANOMALIB_AUTOLOAD=0 turns this attempt off.\n"
        )
