"""The suite as a whole."""

from __future__ import annotations

from pathlib import Path

from plane_anomalib.plugins.contract.suite import CHECKS


def test_every_check_is_shown_to_fail_somewhere_here() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*_checks.py"))
    assert [name for name in CHECKS if f'"{name}"' not in sources] == []
