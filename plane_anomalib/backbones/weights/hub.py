"""A file from the Hugging Face hub, through its own client: cache, endpoint, resume."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from plane_anomalib.backbones.weights.download import DownloadError
from plane_anomalib.backbones.weights.entry import HubFile


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
