"""Downloads against a real server that drops, lies, redirects and changes its mind."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from plane_anomalib.backbones.weights.download import DownloadError, Patience, download
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.core.progress import Progress
from tests.support.web import Page, Web

QUICK = Patience(timeout=5, attempts=3, pause=0)


def content(size: int = 300_000) -> bytes:
    return os.urandom(size)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Seen(Progress):
    def __init__(self) -> None:
        self.starts: list[tuple[int, int | None]] = []
        self.done = 0

    def start(self, what: str, total: int, done: int = 0) -> None:
        self.starts.append((done, total))
        self.done = done

    def advance(self, count: int = 1) -> None:
        self.done += count


def test_file_comes_whole_and_nothing_else_is_left(server: Web, tmp_path: Path) -> None:
    data = content()
    seen = Seen()
    url = server.add("/f.pt", Page(data))
    path = tmp_path / "new" / "f.pt"
    found = download(url, path, size=len(data), sha256=sha(data), patience=QUICK, progress=seen)
    assert found == sha(data)
    assert path.read_bytes() == data
    assert os.listdir(path.parent) == ["f.pt"]
    assert (seen.starts, seen.done) == ([(0, len(data))], len(data))


def test_dropped_connections_are_resumed_where_they_stopped(server: Web, tmp_path: Path) -> None:
    data = content()
    page = Page(data, cuts=[1000, 50_000, 0, 1])
    seen = Seen()
    found = download(server.add("/f", page), tmp_path / "f", patience=QUICK, progress=seen)
    assert found == sha(data)
    assert (tmp_path / "f").read_bytes() == data
    assert page.starts == ["", "bytes=1000-", "bytes=51000-", "bytes=51000-", "bytes=51001-"]
    assert {asked.get("If-Range") for asked in page.asked[1:]} == {'"1"'}
    assert seen.starts[1] == (1000, len(data))
    assert seen.done == len(data)


def test_another_process_goes_on_where_one_was_given_up(server: Web, tmp_path: Path) -> None:
    data = content()
    page = Page(data, cuts=[7000, 0, 0, 0])
    url = server.add("/f", page)
    with pytest.raises(DownloadError, match=r"7,000 bytes are kept, and the same command goes on"):
        download(url, tmp_path / "f", patience=QUICK)
    assert not (tmp_path / "f").exists()
    assert download(url, tmp_path / "f", patience=QUICK) == sha(data)
    assert page.starts[-1] == "bytes=7000-"
    assert os.listdir(tmp_path) == ["f"]


def test_part_of_another_address_is_not_continued(server: Web, tmp_path: Path) -> None:
    first, second = content(), content()
    with pytest.raises(DownloadError):
        download(server.add("/1", Page(first, cuts=[9, 0, 0, 0])), tmp_path / "f", patience=QUICK)
    page = Page(second)
    assert download(server.add("/2", page), tmp_path / "f", patience=QUICK) == sha(second)
    assert page.starts == [""]


def test_server_without_ranges_starts_anew(server: Web, tmp_path: Path) -> None:
    data = content()
    page = Page(data, cuts=[2000, 100_000], ranges=False)
    assert download(server.add("/f", page), tmp_path / "f", patience=QUICK) == sha(data)
    assert (tmp_path / "f").read_bytes() == data


@pytest.mark.parametrize("if_range", [True, False])
def test_file_that_changes_between_attempts_comes_as_one_version(
    server: Web, tmp_path: Path, if_range: bool
) -> None:
    old, new = content(), content(310_000)
    page = Page(old, cuts=[5000, 0, 0, 0], if_range=if_range)
    url = server.add("/f", page)
    with pytest.raises(DownloadError):
        download(url, tmp_path / "f", patience=QUICK)
    page.body, page.etag = new, '"2"'
    assert download(url, tmp_path / "f", patience=QUICK) == sha(new)
    assert (tmp_path / "f").read_bytes() == new


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_without_a_strong_version_nothing_is_continued(
    server: Web, tmp_path: Path, etag: str
) -> None:
    data = content()
    page = Page(data, cuts=[5000], etag=etag)
    assert download(server.add("/f", page), tmp_path / "f", patience=QUICK) == sha(data)
    assert page.starts == ["", ""]


def test_complete_part_is_taken_without_a_second_transfer(server: Web, tmp_path: Path) -> None:
    data = content()
    page = Page(data, cuts=[len(data)], length=len(data) + 5)
    url = server.add("/f", page)
    with pytest.raises(DownloadError):
        download(url, tmp_path / "f", patience=Patience(timeout=5, attempts=0, pause=0))
    page.length = None
    assert download(url, tmp_path / "f", patience=QUICK) == sha(data)
    assert page.starts == ["", f"bytes={len(data)}-"]


def test_too_few_bytes_are_never_taken_for_the_file(server: Web, tmp_path: Path) -> None:
    data = content(1000)
    page = Page(data, length=2000, etag="")
    with pytest.raises(DownloadError, match=r"3 attempts .*1,000 of 2,000 bytes came"):
        download(server.add("/f", page), tmp_path / "f", patience=QUICK)
    assert os.listdir(tmp_path) == []


def test_another_length_than_the_known_one_is_refused_before_it_comes(
    server: Web, tmp_path: Path
) -> None:
    url = server.add("/f", Page(content(1000)))
    with pytest.raises(DownloadError, match="announces 1,000 bytes, and 999 are on record"):
        download(url, tmp_path / "f", size=999, patience=QUICK)
    assert os.listdir(tmp_path) == []


def test_wrong_hash_is_refused_with_both_and_nothing_is_kept(server: Web, tmp_path: Path) -> None:
    data = content()
    with pytest.raises(WeightsError, match="--repin") as caught:
        download(server.add("/f", Page(data)), tmp_path / "f", sha256="0" * 64, patience=QUICK)
    assert sha(data) in str(caught.value)
    assert "0" * 64 in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_redirects_on_this_machine_are_followed_with_the_range(server: Web, tmp_path: Path) -> None:
    data = content()
    page = Page(data, cuts=[4000])
    target = server.add("/real", page)
    url = server.add("/f", Page(status=302, headers={"Location": target}))
    assert download(url, tmp_path / "f", patience=QUICK) == sha(data)
    assert page.starts == ["", "bytes=4000-"]


@pytest.mark.parametrize(
    "target", ["http://example.com/f", "ftp://example.com/f", "file:///etc/hostname"]
)
def test_redirects_to_unsafe_places_are_refused(server: Web, tmp_path: Path, target: str) -> None:
    url = server.add("/f", Page(status=302, headers={"Location": target}))
    with pytest.raises(WeightsError, match=r"only https|not allowed") as caught:
        download(url, tmp_path / "f", patience=QUICK)
    assert target in str(caught.value)


def test_part_from_another_place_than_asked_for_is_not_appended(
    server: Web, tmp_path: Path
) -> None:
    data = content()
    page = Page(data, cuts=[5000], shift=10)
    assert download(server.add("/f", page), tmp_path / "f", patience=QUICK) == sha(data)
    assert page.starts == ["", "bytes=5000-", ""]


def test_chain_of_many_redirects_ends(server: Web, tmp_path: Path) -> None:
    pages = [Page(status=302, headers={"Location": f"/{step + 1}"}) for step in range(9)]
    for step, page in enumerate(pages):
        server.add(f"/{step}", page)
    with pytest.raises(DownloadError, match="302"):
        download(f"{server.url}/0", tmp_path / "f", patience=QUICK)
    assert sum(len(page.asked) for page in pages) == 6


def test_redirects_in_a_circle_end(server: Web, tmp_path: Path) -> None:
    page = Page(status=302, headers={"Location": "/f"})
    with pytest.raises(DownloadError, match="302"):
        download(server.add("/f", page), tmp_path / "f", patience=QUICK)
    assert len(page.asked) <= 6


@pytest.mark.parametrize("url", ["http://example.com/f", "ftp://127.0.0.1/f", "https:///f"])
def test_unsafe_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(WeightsError, match="only https"):
        download(url, tmp_path / "f")


@pytest.mark.parametrize("status", [403, 404, 410])
def test_final_answers_are_not_repeated(server: Web, tmp_path: Path, status: int) -> None:
    page = Page(status=status)
    with pytest.raises(DownloadError, match=str(status)):
        download(server.add("/f", page), tmp_path / "f", patience=QUICK)
    assert len(page.asked) == 1


def test_passing_answers_are_repeated_and_then_named(server: Web, tmp_path: Path) -> None:
    page = Page(status=503)
    with pytest.raises(DownloadError, match=r"3 attempts .*503"):
        download(server.add("/f", page), tmp_path / "f", patience=QUICK)
    assert len(page.asked) == 3


def test_web_page_instead_of_a_file_is_refused(server: Web, tmp_path: Path) -> None:
    page = Page(b"<html>Please log in</html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(DownloadError, match="log-in"):
        download(server.add("/f", page), tmp_path / "f", patience=QUICK)


def test_unreachable_host_is_one_sentence(tmp_path: Path) -> None:
    for url in ("https://no-such-host.invalid/f", "http://127.0.0.1:1/f"):
        with pytest.raises(DownloadError, match="cannot be reached") as caught:
            download(url, tmp_path / "f", patience=QUICK)
        assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_two_downloads_of_one_file_do_not_mix(server: Web, tmp_path: Path) -> None:
    url = server.add("/f", Page(content()))

    class Second(Progress):
        error: Exception | None = None

        def start(self, what: str, total: int, done: int = 0) -> None:
            try:
                download(url, tmp_path / "f", patience=QUICK)
            except WeightsError as error:
                self.error = error

    second = Second()
    download(url, tmp_path / "f", patience=QUICK, progress=second)
    assert "another process" in str(second.error)


def test_proxies_are_not_asked_for_what_lies_on_this_machine(
    server: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    data = content()
    assert download(server.add("/f", Page(data)), tmp_path / "f", patience=QUICK) == sha(data)
