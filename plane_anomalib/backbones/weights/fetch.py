"""Bring published weights to this machine: from where they lie, a mirror, or a file at hand."""

from __future__ import annotations

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from plane_anomalib.backbones.weights import store
from plane_anomalib.backbones.weights.catalogue import CatalogueEntry, HubFile
from plane_anomalib.backbones.weights.download import (
    DownloadError,
    Patience,
    download,
    is_url,
    without_secrets,
)
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.files import replaced, require_hash, sha256_of
from plane_anomalib.core.progress import Progress


@dataclass(frozen=True)
class Fetched:
    """A published file that is on this machine and does not contradict the record.

    Args:
        path: Where it lies.
        sha256: Its hash.
        origin: Where it came from.
        first: Whether nothing was pinned under its name before.
    """

    path: Path
    sha256: str
    origin: str
    first: bool


def fetch(
    entry: CatalogueEntry,
    origin: str | None = None,
    *,
    accept_terms: bool = False,
    repin: bool = False,
    keep: bool = False,
    patience: Patience | None = None,
    progress: Progress | None = None,
) -> Fetched:
    """Fetch a file and check it against what is on record.

    What is on record is the hash that `record` pinned, or else that of the catalogue.

    Args:
        entry: What to fetch.
        origin: A file at hand or a mirror's address; by default where it is published.
        accept_terms: Whether the user accepts the terms. Nothing is downloaded before.
        repin: Take another file than the one on record.
        keep: Copy a file at hand to the other weights.
        patience: Time-outs and repeats of plain downloads.
        progress: Is told how many bytes of it are here.

    Raises:
        WeightsError: The terms are not accepted, the file cannot be had (the message says how to
            bring it by hand), or it is another than the one on record.
    """
    pin = store.pin_of(entry)
    expected = None if repin else pin.sha256 if pin else entry.sha256
    if origin is not None and not is_url(origin):
        path, found = _take(entry, Path(origin).expanduser(), expected, keep=keep)
    else:
        _require_accepted(entry, accept_terms)
        known = store.here(entry) if pin and not repin and origin is None else None
        if known is not None and sha256_of(known) == expected:
            return Fetched(known, str(expected), pin.origin if pin else "", first=False)
        size = None if repin else pin.size if pin else entry.size
        path, found = _bring(entry, origin or entry.source, expected, size, patience, progress)
    return Fetched(path, found, str(origin or entry.source), first=pin is None)


def _require_accepted(entry: CatalogueEntry, accepted: bool) -> None:
    if not accepted:
        raise WeightsError(
            f"{entry.name}: nothing was fetched, because its terms are not accepted yet: read them "
            "above, then repeat with --accept-terms."
        )


def record(entry: CatalogueEntry, fetched: Fetched, converted_sha256: str = "") -> None:
    """Pin a file that proved usable: from now on, another one under its name is refused.

    Args:
        entry: Its name.
        fetched: The file.
        converted_sha256: Hash of its conversion. Without one, that of an earlier conversion of the
            same file stays on record, and one of another file is deleted.

    Raises:
        WeightsError: The record cannot be read or written.
    """
    pin = store.pin_of(entry)
    if not converted_sha256:
        if pin is not None and pin.sha256 == fetched.sha256:
            converted_sha256 = pin.converted_sha256
        else:
            store.converted_path(entry).unlink(missing_ok=True)
    path, origin = fetched.path.absolute(), without_secrets(fetched.origin)
    pin = store.Pin(fetched.sha256, path.stat().st_size, origin, str(path), converted_sha256)
    store.write_pin(entry, pin)


def _take(
    entry: CatalogueEntry, path: Path, expected: str | None, *, keep: bool
) -> tuple[Path, str]:
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file; check the path.")
    found = sha256_of(path)
    require_hash(found, expected, str(path))
    target = store.original_path(entry)
    if not keep or (target.exists() and target.samefile(path)):
        return path, found
    try:
        with replaced(target) as temporary:
            shutil.copyfile(path, temporary)
    except OSError as error:
        raise WeightsError(
            f"{target}: cannot be written ({error.strerror or error}); check the disk and its "
            "permissions."
        ) from error
    return target, found


def _bring(
    entry: CatalogueEntry,
    source: HubFile | str,
    expected: str | None,
    size: int | None,
    patience: Patience | None,
    progress: Progress | None,
) -> tuple[Path, str]:
    try:
        if isinstance(source, HubFile):
            path = hub_download(source)
            found = sha256_of(path)
            require_hash(found, expected, str(source))
            return path, found
        target = store.original_path(entry)
        found = download(
            source, target, size=size, sha256=expected, patience=patience, progress=progress
        )
        return target, found
    except DownloadError as error:
        raise WeightsError(f"{error} {entry.manual}") from error


def hub_download(file: HubFile) -> Path:
    """Fetch a file into the hub's cache (`HF_HOME`), unless it is there already.

    The endpoint is `HF_ENDPOINT`; a log-in, where one is needed, is that of `hf auth login`.

    Args:
        file: What to fetch.

    Returns:
        Where it lies in the cache.

    Raises:
        DownloadError: There is no connection, or the hub does not give it.
    """
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(
            file.repository,
            file.path,
            repo_type=file.repository_type,
            revision=file.revision,
            local_files_only=_is_offline(),
        )
    except Exception as error:  # also of its HTTP library, which differs between versions
        raise DownloadError(f"{file}: {_explain(error)}.") from error
    return Path(path)


def _is_offline() -> bool:
    """Whether the hub's name is not even known; its client would try for half a minute."""
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname
    if getproxies() or host is None:
        return False
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror:
        return True
    return False


def _explain(error: Exception) -> str:
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    known: tuple[tuple[type[Exception], str], ...] = (
        (
            LocalEntryNotFoundError,
            "the hub cannot be reached, and the file is not in its cache",
        ),
        (
            GatedRepoError,
            "its owners want to be asked first: do so on its page, then hf auth login",
        ),
        (RepositoryNotFoundError, "the hub has no such repository, or keeps it private"),
        (RevisionNotFoundError, "the hub has no such version of it"),
        (EntryNotFoundError, "the hub has no such file"),
    )
    for kind, sentence in known:
        if isinstance(error, kind):
            return sentence
    reason = " ".join(str(error).split()).rstrip(".")
    return f"the hub's client failed with {type(error).__name__}: {reason}"
