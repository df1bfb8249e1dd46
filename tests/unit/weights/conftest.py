from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plane_anomalib.weights.store import FOLDER_VARIABLE
from tests.support.web import Web, web


@pytest.fixture
def server() -> Iterator[Web]:
    with web() as running:
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where weights lie during a test."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "weights"))
    return tmp_path / "weights"
