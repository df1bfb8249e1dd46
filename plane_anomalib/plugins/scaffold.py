"""Writes a package with a working model for somebody to start from.

The folder `template` holds real files: a package called `model_name` with a model `ModelName`.
Writing is copying with the names replaced.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
from pathlib import Path

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.registry import MODELS, normalised

_TEMPLATE = Path(__file__).parent / "template"


def write_package(name: str, parent: str | Path = ".") -> Path:
    """Write a package with a model, whole or not at all.

    Args:
        name: The class's name; `my_detector` becomes `MyDetector`.
        parent: The folder in which the package's folder is made; made if it is not there.

    Returns:
        The new folder, named like the package: `parent/my_detector`.

    Raises:
        ConfigurationError: The name is no identifier or taken, or the folder exists.
    """
    cls = class_name(name)
    package = _package_name(cls)
    folder = Path(parent).expanduser() / package
    if folder.exists() or folder.is_symlink():
        raise ConfigurationError(
            f"{folder} exists already and is left alone: choose another name or another --out."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary:
            made = Path(temporary) / package
            _copy(made, {"ModelName": cls, "model_name": package, "model-name": _dashed(package)})
            made.rename(folder)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written ({error.strerror}): choose another --out."
        ) from error
    return folder


def class_name(name: str) -> str:
    """The class's name for what was typed.

    Raises:
        ConfigurationError: It is no identifier, or taken by a model or a package.
    """
    if not name.isascii() or not name.isidentifier() or keyword.iskeyword(name) or name[0] == "_":
        words = "".join(word.capitalize() for word in re.findall(r"[A-Za-z][A-Za-z0-9]+", name))
        meant = "MyDetector" if keyword.iskeyword(name) else words or "MyDetector"
        raise ConfigurationError(
            f"{name!r} cannot be a class's name: use letters, digits and _, for instance {meant}."
        )
    cls = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    for owner, taken in (
        *((entry.origin, entry.name) for entry in MODELS.entries.values()),
        *(("anomalib", stock) for stock in _stock_models()),
    ):
        if normalised(taken) == normalised(cls):
            raise ConfigurationError(
                f"{owner} has a model called {taken} already: choose another name."
            )
    package = _package_name(cls)
    reserved = {*sys.stdlib_module_names, *keyword.kwlist, *dir(builtins)}
    if not reserved.isdisjoint({cls, package}) or _installed(package):
        raise ConfigurationError(
            f"{cls} would live in a package called {package}, and that name is taken: choose "
            "another one."
        )
    return cls


def _package_name(cls: str) -> str:
    """`MyDetector` to `my_detector`, `BTF2` to `btf2`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls).lower()


def _dashed(package: str) -> str:
    return package.replace("_", "-")


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _stock_models() -> set[str]:
    """Anomalib's own models, read from its source: importing it takes seconds."""
    spec = importlib.util.find_spec("anomalib")
    if spec is None or not spec.submodule_search_locations:
        return set()
    source = Path(spec.submodule_search_locations[0]) / "models" / "__init__.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name for node in imports for alias in node.names}


def _copy(target: Path, names: dict[str, str]) -> None:
    shutil.copytree(_TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_file():
            path.write_text(_replaced(path.read_text(encoding="utf-8"), names), encoding="utf-8")
        path.rename(path.with_name(_replaced(path.name, names)))


def _replaced(text: str, names: dict[str, str]) -> str:
    for placeholder, name in names.items():
        text = text.replace(placeholder, name)
    return text
