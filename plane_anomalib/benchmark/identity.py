"""What makes two jobs the same job, on whichever machine: configuration, code, data, weights.

The code counts as a hash of the sources that make a result, which comments and docstrings do not
change: only what a model, its dataset and the run itself import, directly or not, within this
package and the plugin's. So a change of one model leaves the results of the others valid.
"""

from __future__ import annotations

import ast
import hashlib
import io
import re
import tokenize
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from importlib.util import resolve_name
from pathlib import Path
from typing import Any

from plane_anomalib.backbones.weights.catalogue import CATALOGUE, WEIGHT_SUFFIXES
from plane_anomalib.backbones.weights.store import (
    builtin_path,
    converted_path,
    missing,
    pin_of,
    usable_path,
)
from plane_anomalib.benchmark.data_files import stamp
from plane_anomalib.benchmark.schema import Identity, Job
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.files import sha256_of
from plane_anomalib.core.registry import BUILT_IN, DATASETS, MODELS, RegistryEntry
from plane_anomalib.core.results import Component
from plane_anomalib.core.sources import BrokenModuleError, find_module
from plane_anomalib.core.typed_data import (
    TypedDataError,
    from_plain,
    load_strict,
    strict_json,
    write_json,
)

_ID_DIGITS = 20
# Where data lie, how fast they are read and what is drawn change no number.
_ARGUMENTS_WITHOUT_EFFECT = frozenset({"root", "num_workers", "visualizer"})


def identify(job: Job, data_hash: str, memory: Path | None = None) -> Identity:
    """The hashes of a job.

    Args:
        job: Model and dataset with all of their arguments.
        data_hash: Of the files of its categories.
        memory: See `code_digest`.

    Raises:
        WeightsError: Weights that it needs are not on this machine.
    """
    return Identity(
        config=_config_hash(job),
        code=_code(job.model.name, job.data.name, memory),
        data=data_hash,
        weights=_weights_hash(job.model),
    )


def job_id(identity: Identity) -> str:
    """Twenty hexadecimal digits of the SHA-256 of the hashes."""
    return hashlib.sha256(strict_json(identity).encode()).hexdigest()[:_ID_DIGITS]


def _config_hash(job: Job) -> str:
    parts = {
        "model": _relevant(job.model),
        "data": _relevant(job.data),
        "categories": job.categories,
        "scope": job.scope,
        "seed": job.seed,
    }
    return hashlib.sha256(strict_json(parts).encode()).hexdigest()


def _relevant(component: Component) -> dict[str, Any]:
    kept = {k: v for k, v in component.arguments.items() if k not in _ARGUMENTS_WITHOUT_EFFECT}
    # A file of weights counts by what is in it, not by where it lies.
    plain = {k: "file" if _is_weights_file(v) else v for k, v in kept.items()}
    return {"name": component.name, "arguments": plain}


@lru_cache(maxsize=256)
def _code(model: str, dataset: str, memory: Path | None) -> str:
    return code_digest(MODELS.entry(model), DATASETS.entry(dataset), memory=memory)


def _weights_hash(model: Component) -> str | None:
    hashes = {
        f"{argument}\0{part}\0{content}\n"
        for argument, value in model.arguments.items()
        for part, content in enumerate(_weights(value))
    }
    return hashlib.sha256("".join(sorted(hashes)).encode()).hexdigest() if hashes else None


def _weights(value: Any) -> Iterator[str]:
    """Hash of every file that an argument of this value makes a model read.

    A word is taken to mean weights where weights of that name are known, in whichever argument: of
    a plugin's arguments nothing else is known.
    """
    if not isinstance(value, str):
        return
    if value == "builtin":
        yield _content(builtin_path())
    elif value in CATALOGUE:
        entry = CATALOGUE[value]
        path = usable_path(entry)
        if path is None:
            raise missing(entry)
        pin = pin_of(entry)
        yield (pin.converted_sha256 if pin else "") or _content(path)
        text = CATALOGUE[entry.text_entry] if entry.text_entry else None
        if text is not None and converted_path(text).is_file():
            yield _content(converted_path(text))
    elif _is_weights_file(value):
        yield _content(Path(value).expanduser())


def _is_weights_file(value: Any) -> bool:
    return isinstance(value, str) and Path(value).suffix in WEIGHT_SUFFIXES


def _content(path: Path) -> str:
    if not path.is_file():
        raise WeightsError(f"The weights file {path} does not exist: check the path in the sweep.")
    stat = path.stat()
    return _hashed(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _hashed(path: Path, size: int, time: int) -> str:
    del size, time  # A file that has changed is read again.
    return sha256_of(path)


_PACKAGE = "plane_anomalib"
# What shows, checks, fetches and runs: none of it changes a score. The weights themselves are
# hashed as files.
_ROOMS_WITHOUT_EFFECT = tuple(
    f"{_PACKAGE}.{room}"
    for room in (
        "cli",
        "serving",
        "inspection",
        "benchmark",
        "pretraining",
        "plugins",
        "web",
        "backbones.weights",
        "core.registry",
        "core.version",
    )
)
_RUN = f"{_PACKAGE}.benchmark.training"
_LAZY_TARGET = re.compile(r"""["']([A-Za-z_]\w*(?:\.\w+)+):[A-Za-z_]\w*["']""")
"""A class or function that code names as text and imports when it is needed."""
_ASSETS = ("clip_merges.txt.gz",)


@dataclass(frozen=True)
class _RememberedDigest:
    """A digest, and size and time of every file and folder that it was made from."""

    digest: str
    stamps: dict[str, list[int]]


def code_digest(*entries: RegistryEntry, memory: Path | None = None) -> str:
    """SHA-256 of the sources behind a model and its dataset.

    Args:
        entries: Of the registries. Of another package, its version counts too.
        memory: Folder to remember it in for as long as no source changes; by default nowhere.
    """
    origins = sorted({entry.origin for entry in entries} - {BUILT_IN})
    named = "".join(sorted(f"{entry.target}\n" for entry in entries))
    named += "".join(f"{origin}\0{_version(origin)}\n" for origin in origins)
    if memory is None:
        return _digest(_sources(entries), named)
    key = hashlib.sha256(named.encode()).hexdigest()
    file = memory / f"code_{key[:20]}.json"
    with suppress(OSError, ValueError, TypedDataError):
        known = from_plain(_RememberedDigest, load_strict(file.read_text(encoding="utf-8")))
        if all(stamp(path) == made for path, made in known.stamps.items()):
            return known.digest
    found = _sources(entries)
    sources = {__file__, *map(str, _assets()), *(source for source, _ in found.values())}
    places = sources | {str(Path(source).parent) for source in sources}
    made = _RememberedDigest(_digest(found, named), {p: stamp(p) or [] for p in places})
    write_json(file, made)
    return made.digest


def _sources(entries: Sequence[RegistryEntry]) -> dict[str, tuple[str, str]]:
    """Every module behind some classes: its file, and hash of its code.

    Classes of several models share a module, and the configs that it imports lead to the models
    themselves: those of other models are not followed, unless the model itself needs them.
    """
    targets = {entry.target.partition(":")[0] for entry in entries}
    if any(entry.origin != BUILT_IN for entry in entries):
        return _closure(targets | {_RUN})
    configs = {entry.config.partition(":")[0] for entry in entries}
    found = _closure(configs, barred=targets)
    others = {entry.config.partition(":")[0] for entry in MODELS.entries.values()}
    return found | _closure(targets | {_RUN}, barred=others - set(found))


def _digest(found: Mapping[str, tuple[str, str]], named: str) -> str:
    total = hashlib.sha256(named.encode())
    for name, (_, digest) in sorted(found.items()):
        total.update(f"{name}\0{digest}\n".encode())
    for asset in _assets():
        content = hashlib.sha256(asset.read_bytes()).hexdigest()
        total.update(f"{asset.name}\0{content}\n".encode())
    return total.hexdigest()


def _assets() -> list[Path]:
    return [Path(__file__).resolve().parents[1] / "assets" / name for name in _ASSETS]


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
    for node in _statements(tree):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            end = (value.end_lineno or value.lineno, value.end_col_offset or 0)
            yield (value.lineno, value.col_offset), end


def _closure(roots: Collection[str], barred: Collection[str] = ()) -> dict[str, tuple[str, str]]:
    """Every module that the roots import, within their packages: its file, and hash of its code."""
    packages = {name.partition(".")[0] for name in roots} | {_PACKAGE}
    found: dict[str, tuple[str, str]] = {}
    waiting = sorted(roots)
    while waiting:
        module = waiting.pop()
        known = module in found or module in barred
        known = known or (module != _RUN and module.startswith(_ROOMS_WITHOUT_EFFECT))
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
        package = package or module.rpartition(".")[0]
        digest, imported = _read(spec.origin, package, stat.st_mtime_ns)
        found[module] = spec.origin, digest
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
    code = plain_code(source)
    imported = set(_imported(ast.parse(code), package)) | set(_LAZY_TARGET.findall(code))
    return hashlib.sha256(code.encode()).hexdigest(), tuple(sorted(imported))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement, also those within others; expressions hold none."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            found = getattr(node, name, [])
            waiting += reversed(found) if isinstance(found, list) else []


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Every module that may be meant by an import, also those within functions."""
    for node in _statements(tree):
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
