"""A hash of the code that makes a result, which comments and docstrings do not change.

Only what a model, its dataset and the run itself import counts, directly or not, within this
package and the plugin's. So a change of one model leaves the results of the others valid.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import metadata
from importlib.util import resolve_name
from pathlib import Path

from plane_anomalib.core.registry import BUILT_IN, RegistryEntry
from plane_anomalib.core.sources import BrokenModuleError, find_module

_PACKAGE = "plane_anomalib"
# What shows, checks, fetches and runs: none of it changes a score. The weights themselves are
# hashed as files.
_WITHOUT_EFFECT = tuple(
    f"{_PACKAGE}.{room}"
    for room in (
        "cli",
        "contract",
        "scaffold",
        "visualization",
        "weights",
        "benchmark",
        "registry",
        "version",
    )
)
_RUN = f"{_PACKAGE}.benchmark.training"
_ASSETS = ("clip_merges.txt.gz",)


def code_digest(*entries: RegistryEntry) -> str:
    """SHA-256 of the sources behind a model and its dataset.

    Args:
        entries: Of the registries. Of another package, its version counts too.
    """
    total = hashlib.sha256()
    modules = {entry.target.partition(":")[0] for entry in entries}
    for name, digest in sorted(_closure(frozenset(modules | {_RUN})).items()):
        total.update(f"{name}\0{digest}\n".encode())
    for origin in sorted({entry.origin for entry in entries} - {BUILT_IN}):
        total.update(f"{origin}\0{_version(origin)}\n".encode())
    for asset in _ASSETS:
        content = (Path(__file__).resolve().parents[1] / "assets" / asset).read_bytes()
        total.update(f"{asset}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def plain_code(source: str) -> str:
    """A module's text without what does not run: comments, docstrings, blank lines."""
    lines = source.splitlines()
    for start, stop in _docstrings(ast.parse(source)):
        first, last = lines[start[0] - 1], lines[stop[0] - 1]
        # What stood around it on its lines, such as `;` and another statement, stays.
        head, tail = first.encode()[: start[1]].decode(), last.encode()[stop[1] :].decode()
        lines[start[0] - 1 : stop[0]] = [f"{head}...{tail}"] + [""] * (stop[0] - start[0])
    text = "\n".join(lines) + "\n"
    lines = text.splitlines()
    within_strings: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.start
        if token.type == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:column].rstrip()
        within_strings.update(range(row, token.end[0]))
    kept = (line for row, line in enumerate(lines) if line.strip() or row in within_strings)
    return "\n".join(kept)


def _docstrings(tree: ast.Module) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Where the strings lie that are statements of their own."""
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            end = (value.end_lineno or value.lineno, value.end_col_offset or 0)
            yield (value.lineno, value.col_offset), end


def _closure(roots: frozenset[str]) -> dict[str, str]:
    """Every module that the roots import, within their packages: name to hash of its code."""
    packages = {name.partition(".")[0] for name in roots} | {_PACKAGE}
    found: dict[str, str] = {}
    waiting = sorted(roots)
    while waiting:
        module = waiting.pop()
        known = module in found or (module != _RUN and module.startswith(_WITHOUT_EFFECT))
        if known or module.partition(".")[0] not in packages:
            continue
        try:
            spec = find_module(module)
        except BrokenModuleError:
            continue  # A name within a module, or an import that is optional.
        if spec.origin is None or not Path(spec.origin).is_file():
            continue
        package = module if spec.submodule_search_locations is not None else ""
        stat = Path(spec.origin).stat()
        read = _read(spec.origin, package or module.rpartition(".")[0], stat.st_mtime_ns)
        found[module], imported = read
        parent = module.rpartition(".")[0]
        waiting += [*imported, *([parent] if parent else [])]
    return found


@lru_cache(maxsize=4096)
def _read(file: str, package: str, time: int) -> tuple[str, tuple[str, ...]]:
    """Hash of a module's code, and the names that it imports; read again if the file changes."""
    del time
    content = Path(file).read_bytes()
    if not file.endswith(".py"):
        return hashlib.sha256(content).hexdigest(), ()
    source = content.decode("utf-8")
    names = tuple(sorted(set(_imported(ast.walk(ast.parse(source)), package))))
    return hashlib.sha256(plain_code(source).encode()).hexdigest(), names


def _imported(nodes: Iterable[ast.AST], package: str) -> Iterator[str]:
    """Every module that may be meant by an import, also those within functions."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                source = resolve_name("." * node.level + source, package)
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "unknown"
