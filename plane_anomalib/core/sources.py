"""What can be said of a class from its source, without importing it.

Importing a model takes the seconds that torch and anomalib take; listing models should not.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


@dataclass(frozen=True)
class ClassSummary:
    """What a class's source says.

    Attributes:
        summary: First line of its docstring; empty if it has none or is made at run time.
        problem: Why it cannot be imported; empty if nothing was found, which is no promise.
    """

    summary: str = ""
    problem: str = ""


def describe(target: str, *, imports: bool = True) -> ClassSummary:
    """Read a class's source.

    Args:
        target: `"module:Class"`.
        imports: Also look whether what its package imports is there.
    """
    module, _, name = target.partition(":")
    reader = _Reader(module.partition(".")[0])
    try:
        summary = reader.summary(module, name)
        if imports:
            reader.check_imports(module)
    except BrokenModuleError as error:
        return ClassSummary(problem=str(error))
    return ClassSummary(summary)


class BrokenModuleError(Exception):
    """Importing a module would fail."""


@dataclass
class _Reader:
    """Follows the imports of one package, each module once.

    Attributes:
        package: Its top-level name; of other packages it is only asked whether they are there.
    """

    package: str
    trees: dict[str, ast.Module | None] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)

    def summary(self, module: str, name: str) -> str:
        """First docstring line of a class, wherever the module has it from."""
        found = self.definition(module, name)
        if found is None:
            return ""
        return (ast.get_docstring(found) or "").partition("\n")[0].strip()

    def definition(self, module: str, name: str) -> ast.ClassDef | None:
        """A class's statement, wherever the module has it from; None if it is made at run time."""
        seen = set()
        while (module, name) not in seen:
            seen.add((module, name))
            tree = self.tree(module)
            if tree is None:
                return None
            # What is imported for type checkers is what a lazy `__getattr__` will import.
            checked = [n for node in tree.body if isinstance(node, ast.If) for n in node.body]
            nodes = [*checked, *tree.body]
            found = next((node for node in reversed(nodes) if _binds(node, name)), None)
            if isinstance(found, ast.ClassDef):
                return found
            if found is None and not _is_dynamic(tree):
                raise BrokenModuleError(f"the module {module} has no {name}")
            if not isinstance(found, ast.ImportFrom):
                return None
            original = next(a.name for a in found.names if (a.asname or a.name) == name)
            module, name = self._source_of(found, module), original
        return None

    def check_imports(self, module: str) -> None:
        """Look for modules that are missing or cannot be parsed."""
        parts = module.split(".")
        for parent in (".".join(parts[:end]) for end in range(1, len(parts) + 1)):
            if parent in self.checked:
                continue
            self.checked.add(parent)
            tree = self.tree(parent)
            for imported in self._imported(tree, parent) if tree else ():
                top = imported.partition(".")[0]
                if top != self.package:
                    find_module(top)
                elif _exists(imported):
                    self.check_imports(imported)

    def tree(self, module: str) -> ast.Module | None:
        """The parsed source; None where there is none to read."""
        if module not in self.trees:
            self.trees[module] = _parsed(module)
        return self.trees[module]

    def _imported(self, tree: ast.Module, module: str) -> Iterator[str]:
        """Modules that importing `module` imports for certain: not those within `try` or `if`."""
        for node in tree.body:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
                source = self._source_of(node, module)
                find_module(source) if source.partition(".")[0] == self.package else None
                yield source
                yield from (f"{source}.{alias.name}" for alias in node.names)

    def _source_of(self, node: ast.ImportFrom, module: str) -> str:
        if not node.level:
            return node.module or ""
        spec = find_module(module)
        package = module if spec.submodule_search_locations is not None else spec.parent or ""
        parts = package.split(".")
        base = ".".join(parts[: len(parts) - node.level + 1])
        return f"{base}.{node.module}" if node.module else base


def find_module(module: str) -> ModuleSpec:
    """A module's spec; unlike `find_spec`, this imports no parent package.

    Raises:
        BrokenModuleError: There is no such module.
    """
    top, *rest = module.split(".")
    spec: ModuleSpec | None
    try:
        spec = importlib.util.find_spec(top)
    except (ValueError, ImportError):
        spec = None
    name = top
    for part in rest:
        if spec is None:
            break
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations or ()))
    if spec is None:
        raise BrokenModuleError(f"there is no module {name}")
    return spec


def _exists(module: str) -> bool:
    try:
        find_module(module)
    except BrokenModuleError:
        return False
    return True


def _parsed(module: str) -> ast.Module | None:
    origin = find_module(module).origin
    if origin is None or not origin.endswith(".py"):
        return None
    try:
        return ast.parse(Path(origin).read_bytes(), origin)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{Path(origin).name}{f':{line}' if line else ''}"
        raise BrokenModuleError(f"{type(error).__name__} in {where}: {error.args[0]}") from error


def _binds(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return node.name == name
    if isinstance(node, ast.ImportFrom | ast.Import):
        return any((alias.asname or alias.name) == name for alias in node.names)
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    return False


def _is_dynamic(tree: ast.Module) -> bool:
    """Whether a module may have names that its plain statements do not show."""
    return any(
        isinstance(node, ast.If | ast.Try | ast.For | ast.With | ast.While | ast.AnnAssign)
        or (isinstance(node, ast.ImportFrom) and node.names[0].name == "*")
        or _binds(node, "__getattr__")
        for node in tree.body
    )
