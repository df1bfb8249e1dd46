"""Checks are run one by one, quietly, and each outcome is a sentence."""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plane_anomalib.core.errors import ContractError, NotMeasuredError
from plane_anomalib.plugins.contract.check import Check
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest
from plane_anomalib.plugins.contract.suite import CHECKS, run_checks
from tests.support.template import ModelName, ModelNameDetector


@pytest.fixture
def subject(tmp_path: Path) -> ModelUnderTest:
    return ModelUnderTest("ModelName", ModelName, tmp_path)


def raising(name: str, error: BaseException) -> Check:
    def function(subject: ModelUnderTest, generator: np.random.Generator) -> None:
        raise error

    return Check(name, "Never holds.", function)


def test_one_failure_does_not_stop_the_next_check(subject: ModelUnderTest) -> None:
    passing = Check("fine", "Holds.", lambda subject, generator: None)
    checks = [
        raising("ours", ContractError("Do it otherwise.")),
        raising("theirs", TypeError("no\n such  thing")),
        raising("exits", SystemExit("leaving")),
        raising("blind", NotMeasuredError("no clock here.")),
        passing,
    ]
    outcomes = list(run_checks(subject, checks))
    assert [(o.check.name, o.status) for o in outcomes] == [
        ("ours", "failed"),
        ("theirs", "failed"),
        ("exits", "failed"),
        ("blind", "not run"),
        ("fine", "ok"),
    ]
    assert outcomes[0].reason == "Do it otherwise."
    assert outcomes[1].reason.startswith("TypeError: no such thing (")
    assert outcomes[4].reason == ""


def test_a_failed_training_is_told_once_with_the_authors_line(
    subject: ModelUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scores_of_nothing(*_: Any) -> Any:
        raise ValueError("nothing to draw from")

    monkeypatch.setattr(sys.modules["model_name.torch_model"], "KDTree", scores_of_nothing)
    checks = [CHECKS[name] for name in ("training", "permutation", "tiny-clouds", "empty-cloud")]
    outcomes = list(run_checks(subject, checks))
    assert [o.status for o in outcomes] == ["failed"] + 3 * ["not run"]
    source = Path(sys.modules[ModelNameDetector.__module__].__file__ or "").read_text()
    line = source[: source.index("distances, _ = KDTree")].count("\n") + 1
    assert [o.reason for o in outcomes] == [
        f"training failed: ValueError: nothing to draw from (torch_model.py:{line})",
        *3 * ["training failed, see above"],
    ]
    (alone,) = run_checks(subject, checks[1:2])
    assert (alone.status, alone.reason) == ("not run", outcomes[0].reason)


def test_what_a_check_prints_and_logs_is_kept_back(
    subject: ModelUnderTest, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def noisy(subject: ModelUnderTest, generator: np.random.Generator) -> None:
        print("printed")
        print("wrong", file=sys.stderr)
        logging.getLogger("lightning").error("logged")
        warnings.warn("warned", stacklevel=1)

    (outcome,) = run_checks(subject, [Check("noisy", "Is quiet.", noisy)])
    assert outcome.status == "ok"
    assert capsys.readouterr() == ("", "")
    assert not caplog.records
    logging.getLogger("lightning").error("heard again")
    assert caplog.messages == ["heard again"]


def test_random_input_depends_on_seed_and_check_alone(
    subject: ModelUnderTest, tmp_path: Path
) -> None:
    drawn: list[float] = []
    checks = [
        Check(name, "Draws.", lambda subject, generator: drawn.append(generator.random()))
        for name in ("one", "two", "one")
    ]
    other = ModelUnderTest("ModelName", ModelName, tmp_path, seed=1)
    list(run_checks(subject, checks))
    list(run_checks(other, checks[:1]))
    assert drawn[0] == drawn[2]
    assert len(set(drawn)) == 3


def test_every_check_is_shown_to_fail_somewhere_here() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*_checks.py"))
    assert [name for name in CHECKS if f'"{name}"' not in sources] == []
