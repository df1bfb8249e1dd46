"""How a checkout of plane_anomalib is built: modules, lines, importers, circles, names.

    python benchmarks/structure.py [CHECKOUT ...]

prints a Markdown table with a column per checkout (this one by default), then what stands against
the rules of the house in the last of them. Nothing of the package is imported: its sources are
read. Imports within functions and for type checkers count like all others; what a package's
template holds (`plugins/template`) is not part of it.
"""

from __future__ import annotations

import argparse
import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

import networkx

PACKAGE = "plane_anomalib"


@dataclass(frozen=True)
class Module:
    """One file of sources.

    Attributes:
        name: Dotted; that of a package for its `__init__`.
        path: The file.
        tree: Parsed.
        lines: How many it has.
    """

    name: str
    path: Path
    tree: ast.Module
    lines: int

    @property
    def is_package(self) -> bool:
        """Whether it is an `__init__`."""
        return self.path.name == "__init__.py"

    @property
    def classes(self) -> list[str]:
        """Names of the classes that it defines, those within others left out."""
        return [node.name for node in self.tree.body if isinstance(node, ast.ClassDef)]

    @property
    def functions(self) -> Iterator[tuple[str, int]]:
        """Every function's name and its lines from `def` to the last, docstring included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1

    @property
    def imported(self) -> Iterator[str]:
        """What it imports, wherever it does: modules, and `module.name` of `from` imports."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                source = self._source(node)
                yield source
                yield from (f"{source}.{alias.name}" for alias in node.names)

    def _source(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        base = ".".join(parts[: len(parts) - node.level + self.is_package])
        return f"{base}.{node.module}" if node.module else base


@dataclass(frozen=True)
class Structure:
    """A package's modules by name."""

    modules: dict[str, Module]

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """The modules of the package that each of them imports."""
        return {name: set(self._targets(module)) for name, module in self.modules.items()}

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """The modules of the package that import each of them."""
        found: dict[str, set[str]] = {name: set() for name in self.modules}
        for name, targets in self.imports.items():
            for target in targets:
                found[target].add(name)
        return found

    @property
    def circles(self) -> list[list[str]]:
        """Groups of modules of which each imports each other, in the end."""
        graph = networkx.DiGraph(self.imports)
        found = networkx.strongly_connected_components(graph)
        return sorted(sorted(group) for group in found if len(group) > 1)

    @property
    def duplicates(self) -> dict[str, list[str]]:
        """Class names that more than one module defines."""
        homes = defaultdict(list)
        for module in self.modules.values():
            for name in set(module.classes):
                homes[name].append(module.name)
        return {name: found for name, found in sorted(homes.items()) if len(found) > 1}

    def single_importer(self, below: int | None = None) -> list[str]:
        """Modules, no packages, that exactly one other module imports.

        Args:
            below: Only those of fewer lines.
        """
        return [
            name
            for name, module in self.modules.items()
            if len(self.importers[name]) == 1
            and not module.is_package
            and (below is None or module.lines < below)
        ]

    def long_functions(self, limit: int) -> list[str]:
        """Functions of more lines than the limit, as `module:function (lines)`."""
        return [
            f"{module.name}:{name} ({lines})"
            for module in self.modules.values()
            for name, lines in module.functions
            if lines > limit
        ]

    def _targets(self, module: Module) -> Iterator[str]:
        imported = set(module.imported)
        for name in imported & self.modules.keys():
            # `from package import module` takes the module, not what the package defines.
            through = {n for n in imported if n.rpartition(".")[0] == name}
            if name != module.name and (not through or through - self.modules.keys()):
                yield name


def read_structure(checkout: Path, package: str = PACKAGE) -> Structure:
    """Read a package's sources.

    Args:
        checkout: The folder that holds the package's.
        package: Its name.
    """
    modules = {}
    for path in sorted((checkout / package).rglob("*.py")):
        parts = path.relative_to(checkout).with_suffix("").parts
        if "template" in parts[:-1]:
            continue
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        modules[name] = Module(name, path, ast.parse(text, str(path)), len(text.splitlines()))
    return Structure(modules)


def rows(structure: Structure) -> dict[str, str]:
    """The table's rows: what is measured, and what was found."""
    lines = {name: module.lines for name, module in structure.modules.items()}
    longest = max(lines, key=lines.__getitem__)
    circles = structure.circles
    return {
        "modules": f"{len(lines)}",
        "lines": f"{sum(lines.values()):,}",
        "median lines of a module": f"{median(lines.values()):.0f}",
        "longest module": f"{lines[longest]} ({longest})",
        "functions over 40 lines": f"{len(structure.long_functions(40))}",
        "modules with one importer": f"{len(structure.single_importer())}",
        "of them under 100 lines": f"{len(structure.single_importer(100))}",
        "of them under 60 lines": f"{len(structure.single_importer(60))}",
        "circles (modules in them)": f"{len(circles)} ({sum(map(len, circles))})",
        "class names of two modules": f"{len(structure.duplicates)}",
    }


def _findings(structure: Structure) -> Iterator[str]:
    for circle in structure.circles:
        yield f"circle: {', '.join(circle)}"
    for name, homes in structure.duplicates.items():
        yield f"class {name}: {', '.join(homes)}"
    for name in structure.single_importer(60):
        yield f"one importer, under 60 lines: {name} (by {min(structure.importers[name])})"
    yield from (f"over 40 lines: {name}" for name in structure.long_functions(40))
    for module in structure.modules.values():
        if module.lines > 400:
            yield f"over 400 lines: {module.name} ({module.lines})"


def main() -> None:
    """Print the table, and what stands against the rules."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkouts", nargs="*", type=Path, metavar="CHECKOUT")
    checkouts = parser.parse_args().checkouts or [Path(__file__).resolve().parents[1]]
    structures = [read_structure(checkout) for checkout in checkouts]
    columns = [rows(structure) for structure in structures]
    print(f"| | {' | '.join(str(checkout) for checkout in checkouts)} |")
    print(f"|---|{'---:|' * len(columns)}")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(column[name] for column in columns)} |")
    print("", *_findings(structures[-1]), sep="\n")


if __name__ == "__main__":
    main()
