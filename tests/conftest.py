"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plane_anomalib.backbones.weights.store import FOLDER_VARIABLE
from tests.support.web import Web, web


@pytest.fixture(autouse=True)
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where published weights lie during a test; the developer's own are never seen."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def server() -> Iterator[Web]:
    """A web server on this machine."""
    with web() as running:
        yield running
