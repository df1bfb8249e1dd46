"""`plane-anomalib weights`: which published weights there are, get, convert and verify them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from plane_anomalib.backbones.weights import catalogue, store
from plane_anomalib.backbones.weights.catalogue import UNKNOWN, CatalogueEntry

if TYPE_CHECKING:
    from plane_anomalib.backbones.weights.fetch import Fetched

_ACTIONS = {
    "list": "Names, whether they are on this machine, and terms in short.",
    "show": "All facts about one.",
    "get": "Fetch one, check it, and convert it for use by its name.",
    "convert": "Write a published checkpoint as one safetensors file.",
    "verify": "Check hashes and tensors, and run a forward pass.",
}


def add_arguments(parser: ArgumentParser) -> None:
    """Add the actions and their arguments to the command's parser."""
    actions = parser.add_subparsers(dest="action", required=True)
    made = {name: actions.add_parser(name, help=t, description=t) for name, t in _ACTIONS.items()}
    for name in ("show", "get"):
        made[name].add_argument("name", metavar="NAME", help="as weights list prints it")
    get = made["get"]
    get.add_argument("--accept-terms", action="store_true", help="without it nothing is fetched")
    get.add_argument(
        "--from", dest="origin", metavar="PATH|URL", help="a file at hand, or a mirror's address"
    )
    get.add_argument(
        "--repin", action="store_true", help="take a file with another hash than that on record"
    )
    get.add_argument("--no-convert", action="store_true", help="leave it as it is published")
    convert = made["convert"]
    convert.add_argument("file", metavar="FILE", type=Path, help="a published checkpoint")
    convert.add_argument(
        "--name", metavar="NAME", help="what it is; checked, and then usable by this name"
    )
    convert.add_argument("--out", metavar="FILE", type=Path, help="the file to write")
    made["verify"].add_argument("target", metavar="NAME|FILE", help="published weights or a file")


def run(arguments: Namespace) -> int:
    """Run an action.

    Args:
        arguments: What was parsed by a parser with `add_arguments`.

    Returns:
        The exit code.

    Raises:
        WeightsError: Whatever went wrong, in one sentence.
    """
    lines = _RUN[arguments.action](arguments)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _list(_: Namespace) -> list[str]:
    rows = [("NAME", "HERE", "LICENCE", "WHAT")]
    rows += [(e.name, _state(e), e.licence, e.what) for e in catalogue.CATALOGUE.values()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:{widths[2]}}  {d}" for a, b, c, d in rows]


def _show(arguments: Namespace) -> list[str]:
    entry = catalogue.find(arguments.name)
    pin, original = store.pin_of(entry), store.here(entry)
    size = UNKNOWN if entry.size is None else f"{entry.size:,} bytes"
    lines = [
        f"{entry.name}: {entry.what}",
        f"kind       {entry.kind}",
        f"gives      {entry.shape}",
        f"file       {entry.file}",
        f"from       {entry.source}",
        f"size       {size}",
        f"sha256     {entry.sha256 or UNKNOWN}",
        f"licence    {entry.licence}",
        f"terms      {entry.terms}",
        f"cite       {entry.citation}",
        *(f"note       {note}" for note in entry.notes),
        f"here       {_state(entry)}",
    ]
    if original is not None:
        lines.append(f"           {original}")
    if store.converted_path(entry).is_file():
        lines.append(f"           {store.converted_path(entry)}")
    if pin is not None:
        lines.append(f"pinned     sha256 {pin.sha256}, {pin.size:,} bytes, from {pin.origin}")
    return [*lines, f"get it     {entry.command}", f"           {entry.manual}"]


def _get(arguments: Namespace) -> list[str]:
    from plane_anomalib.backbones.weights.fetch import fetch, record
    from plane_anomalib.cli.terminal import transfer_progress

    entry = catalogue.find(arguments.name)
    sys.stdout.write(f"{entry.name}: {entry.what}\nTerms: {entry.terms}\nCite: {entry.citation}\n")
    sys.stdout.flush()
    plain = arguments.no_convert
    with transfer_progress() as progress:
        fetched = fetch(
            entry,
            arguments.origin,
            accept_terms=arguments.accept_terms,
            repin=arguments.repin,
            keep=plain,
            progress=progress,
        )
    known = "recorded from now on" if fetched.first and not entry.sha256 else "as on record"
    if arguments.repin:
        known = "recorded instead of the one before"
    lines = [f"{fetched.path}", f"sha256 {fetched.sha256}, {known}"]
    if plain:
        record(entry, fetched)
        return lines
    return [*lines, *_convert_named(entry, fetched)]


def _convert(arguments: Namespace) -> list[str]:
    if arguments.name is not None:
        entry = catalogue.find(arguments.name)
        if arguments.out is None:
            from plane_anomalib.backbones.weights.fetch import fetch

            return _convert_named(entry, fetch(entry, str(arguments.file)))
        return _write(arguments.file, arguments.out, entry)
    out = arguments.out or arguments.file.with_suffix(".safetensors")
    return _write(arguments.file, out, None)


def _verify(arguments: Namespace) -> list[str]:
    from plane_anomalib.backbones.conversion import verify_entry, verify_file

    path = Path(arguments.target).expanduser()
    if arguments.target in catalogue.CATALOGUE or not (path.suffix or path.exists()):
        return [*verify_entry(catalogue.find(arguments.target)), "ok"]
    return [*verify_file(path), "ok"]


def _convert_named(entry: CatalogueEntry, fetched: Fetched) -> list[str]:
    """Convert to where models look for this name, and put both files on record."""
    from plane_anomalib.backbones.weights.fetch import record
    from plane_anomalib.core.files import sha256_of

    out = store.converted_path(entry)
    lines = _write(fetched.path, out, entry)
    record(entry, fetched, sha256_of(out))
    if entry.kind == "text-tower":
        return [*lines, "It is found by the point encoders whose text side it is."]
    return [*lines, f"Use it by its name, {entry.name}, wherever a backbone is asked for."]


def _write(source: Path, out: Path, entry: CatalogueEntry | None) -> list[str]:
    from plane_anomalib.backbones.conversion import convert

    done = convert(source, out, entry)
    left_out = [f"left out: {done.left_out}"] if done.left_out else []
    return [f"{done.path}", f"{done.kind}: {done.shape}", *left_out]


def _state(entry: CatalogueEntry) -> str:
    if store.converted_path(entry).is_file():
        return "yes"
    return "no" if store.here(entry) is None else "not converted"


_RUN = {"list": _list, "show": _show, "get": _get, "convert": _convert, "verify": _verify}
