"""Terms, pins and sources of published files."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plane_anomalib.backbones.weights import store
from plane_anomalib.backbones.weights.catalogue import CATALOGUE
from plane_anomalib.backbones.weights.download import Patience, without_secrets
from plane_anomalib.backbones.weights.fetch import Fetched, fetch, record
from plane_anomalib.backbones.weights.store import pin_of
from plane_anomalib.core.errors import WeightsError
from tests.support.web import Page, Web

ENTRY = replace(CATALOGUE["point-bert"], size=None, sha256=None)
QUICK = Patience(timeout=5, attempts=2, pause=0)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def fetch_and_record(*arguments: Any, **options: Any) -> Fetched:
    fetched = fetch(*arguments, **options, patience=QUICK)
    record(arguments[0], fetched)
    return fetched


def test_nothing_is_fetched_before_the_terms_are_accepted(
    server: Web, weights_folder: Path
) -> None:
    page = Page(b"weights")
    with pytest.raises(WeightsError, match="--accept-terms"):
        fetch(ENTRY, server.add("/f", page))
    assert page.asked == []
    assert not weights_folder.exists()


def test_first_fetch_is_pinned_and_another_file_is_refused_later(server: Web) -> None:
    page = Page(b"weights")
    entry = replace(ENTRY, source=server.add("/f", page))
    first = fetch_and_record(entry, accept_terms=True)
    assert first.first
    assert first.path == store.original_path(entry)
    pin = pin_of(entry)
    assert pin is not None
    assert (pin.sha256, pin.size, pin.origin) == (sha(b"weights"), 7, f"{server.url}/f")

    mirror = server.add("/mirror", Page(b"wEights"))
    with pytest.raises(WeightsError, match="--repin") as caught:
        fetch(entry, mirror, accept_terms=True, patience=QUICK)
    assert sha(b"weights") in str(caught.value)
    assert sha(b"wEights") in str(caught.value)
    assert store.original_path(entry).read_bytes() == b"weights"
    assert pin_of(entry) == pin

    accepted = fetch_and_record(entry, mirror, accept_terms=True, repin=True)
    assert not accepted.first
    assert accepted.path.read_bytes() == b"wEights"
    changed = pin_of(entry)
    assert changed is not None
    assert changed.sha256 == sha(b"wEights")


def test_what_is_here_already_is_not_fetched_again_unless_damaged(server: Web) -> None:
    page = Page(b"weights")
    entry = replace(ENTRY, source=server.add("/f", page))
    fetch_and_record(entry, accept_terms=True)
    assert not fetch_and_record(entry, accept_terms=True).first
    assert len(page.asked) == 1
    store.original_path(entry).write_bytes(b"damaged")
    fetch(entry, accept_terms=True, patience=QUICK)
    assert len(page.asked) == 2
    assert store.original_path(entry).read_bytes() == b"weights"


def test_hash_of_the_catalogue_counts_before_any_pin(server: Web, weights_folder: Path) -> None:
    entry = replace(ENTRY, sha256=sha(b"weights"))
    with pytest.raises(WeightsError, match=f"{sha(b'weights')} is on record"):
        fetch(entry, server.add("/f", Page(b"other")), accept_terms=True, patience=QUICK)
    assert pin_of(entry) is None
    assert list(weights_folder.rglob("*.pth")) == []
    fetch(entry, server.add("/g", Page(b"weights")), accept_terms=True, patience=QUICK)


def test_file_at_hand_stays_where_it_is_unless_it_is_to_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "by hand.pt"
    path.write_bytes(b"weights")
    assert fetch_and_record(ENTRY, str(path)).path == path
    assert store.here(ENTRY) == path
    kept = fetch_and_record(ENTRY, str(path), keep=True)
    assert kept.path == store.original_path(ENTRY)
    assert kept.path.read_bytes() == b"weights"
    path.write_bytes(b"others")
    with pytest.raises(WeightsError, match="--repin"):
        fetch(ENTRY, str(path))
    with pytest.raises(WeightsError, match="no such file"):
        fetch(ENTRY, str(tmp_path / "no.pt"))


def test_whatever_fails_on_the_way_is_followed_by_the_way_by_hand(server: Web) -> None:
    for origin in (f"{server.url}/nowhere", "https://no-such-host.invalid/f"):
        with pytest.raises(WeightsError, match="weights get point-bert --from FILE") as caught:
            fetch(ENTRY, origin, accept_terms=True, patience=QUICK)
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="only https"):
        fetch(ENTRY, "http://example.com/f", accept_terms=True)


def test_pin_survives_a_failed_replacement(server: Web, weights_folder: Path) -> None:
    entry = replace(ENTRY, source=server.add("/f", Page(b"weights")))
    fetch_and_record(entry, accept_terms=True)
    before = (weights_folder / "pins.json").read_text()
    with pytest.raises(WeightsError):
        fetch(entry, f"{server.url}/nowhere", accept_terms=True, repin=True, patience=QUICK)
    assert (weights_folder / "pins.json").read_text() == before
    assert sorted(os.listdir(weights_folder)) == ["pins.json", "point-bert"]


def test_conversion_stays_on_record_only_with_the_file_it_was_made_from(tmp_path: Path) -> None:
    path, other = tmp_path / "w.pt", tmp_path / "other.pt"
    path.write_bytes(b"weights")
    other.write_bytes(b"others")
    record(ENTRY, fetch(ENTRY, str(path)), "c" * 64)
    store.converted_path(ENTRY).parent.mkdir(parents=True)
    store.converted_path(ENTRY).touch()
    fetch_and_record(ENTRY, str(path))
    pin = pin_of(ENTRY)
    assert pin is not None
    assert pin.converted_sha256 == "c" * 64
    fetch_and_record(ENTRY, str(other), repin=True)
    pin = pin_of(ENTRY)
    assert pin is not None
    assert pin.converted_sha256 == ""
    assert not store.converted_path(ENTRY).exists()


def test_secrets_of_a_link_are_not_recorded(server: Web, weights_folder: Path) -> None:
    url = server.add("/f?token=secret", Page(b"weights", cuts=[3, 0, 0, 0]))
    with pytest.raises(WeightsError):
        fetch(ENTRY, url, accept_terms=True, patience=QUICK)
    assert len(list(weights_folder.rglob("*.part"))) == 1
    assert "secret" not in "".join(path.read_text() for path in weights_folder.rglob("*.json"))
    fetch_and_record(ENTRY, url, accept_terms=True)
    pin = pin_of(ENTRY)
    assert pin is not None
    assert pin.origin == f"{server.url}/f"
    assert without_secrets("https://user:word@host:1/a/b.pt?c=d#e") == "https://host:1/a/b.pt"
    assert without_secrets("some/file.pt") == "some/file.pt"


HUB_PATH = "/datasets/owner/name/resolve/main/folder/w.pt"
HUB_FETCH = """
from plane_anomalib.backbones.weights.catalogue import HubFile
from plane_anomalib.backbones.weights.fetch import hub_download
print(hub_download(HubFile("owner/name", "folder/w.pt", "dataset")))
"""


def hub_fetch(home: Path, endpoint: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the client reads its variables once."""
    environment = os.environ | {"HF_HOME": str(home), "HF_ENDPOINT": endpoint} | variables
    return subprocess.run(
        [sys.executable, "-c", HUB_FETCH],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
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
    server.add(HUB_PATH, page)
    first = hub_fetch(tmp_path, server.url)
    assert first.returncode == 0, first.stderr
    path = Path(first.stdout.strip())
    assert path.read_bytes() == data
    assert path.is_relative_to(tmp_path)
    assert page.starts[0] == ""
    assert page.starts[1].startswith("bytes=")

    second = hub_fetch(tmp_path, server.url)
    assert second.stdout == first.stdout
    offline = hub_fetch(tmp_path, "https://no-such-host.invalid")
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
    server.add(HUB_PATH, Page(status=404, headers={"X-Error-Code": code}))
    refused = hub_fetch(tmp_path, server.url)
    assert f"DownloadError: https://huggingface.co{HUB_PATH}: {sentence}" in refused.stderr


def test_without_connection_it_says_so_at_once(tmp_path: Path) -> None:
    refused = hub_fetch(tmp_path, "https://no-such-host.invalid")
    assert "the hub cannot be reached, and the file is not in its cache" in refused.stderr
    assert "Retrying" not in refused.stderr
