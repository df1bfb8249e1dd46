"""The hub's own client against a server on this machine that speaks the hub's language."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.web import Page, Web

PATH = "/datasets/owner/name/resolve/main/folder/w.pt"
FETCH = """
from plane_anomalib.backbones.weights.entry import HubFile
from plane_anomalib.backbones.weights.hub import hub_download
print(hub_download(HubFile("owner/name", "folder/w.pt", "dataset")))
"""


def fetch(home: Path, endpoint: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the client reads its variables once."""
    environment = os.environ | {"HF_HOME": str(home), "HF_ENDPOINT": endpoint} | variables
    return subprocess.run(
        [sys.executable, "-c", FETCH], env=environment, capture_output=True, text=True, check=False
    )


def hub_page(data: bytes, **arguments: list[int]) -> Page:
    headers = {"X-Repo-Commit": "a" * 40, "Accept-Ranges": "bytes"}
    digest = hashlib.sha256(data).hexdigest()
    return Page(data, etag=f'"{digest}"', headers=headers, **arguments)


def test_file_comes_into_the_cache_once_and_over_a_dropped_connection(
    server: Web, tmp_path: Path
) -> None:
    data = os.urandom(11 << 20)  # its client keeps what came in steps of 10 MiB
    page = hub_page(data, cuts=[len(data) - 1000])
    server.add(PATH, page)
    first = fetch(tmp_path, server.url)
    assert first.returncode == 0, first.stderr
    path = Path(first.stdout.strip())
    assert path.read_bytes() == data
    assert path.is_relative_to(tmp_path)
    assert page.starts[0] == ""
    assert page.starts[1].startswith("bytes=")

    second = fetch(tmp_path, server.url)
    assert second.stdout == first.stdout
    offline = fetch(tmp_path, "https://no-such-host.invalid")
    assert offline.stdout == first.stdout
    assert len(page.asked) == 2


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("EntryNotFound", "the hub has no such file"),
        ("RepoNotFound", "the hub has no such repository"),
        ("RevisionNotFound", "the hub has no such version"),
        ("GatedRepo", "its owners want to be asked first"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(
    server: Web, tmp_path: Path, code: str, sentence: str
) -> None:
    server.add(PATH, Page(status=404, headers={"X-Error-Code": code}))
    refused = fetch(tmp_path, server.url)
    assert f"DownloadError: https://huggingface.co{PATH}: {sentence}" in refused.stderr


def test_without_connection_it_says_so_at_once(tmp_path: Path) -> None:
    refused = fetch(tmp_path, "https://no-such-host.invalid")
    assert "the hub cannot be reached, and the file is not in its cache" in refused.stderr
    assert "Retrying" not in refused.stderr
