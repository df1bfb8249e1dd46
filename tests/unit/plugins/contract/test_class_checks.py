"""Flaws of the class itself are found, and what it should refuse and does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from anomalib.data import InferenceBatch
from anomalib.models import AnomalibModule

from plane_anomalib.core.errors import ContractError
from plane_anomalib.models.components.fitted_model import FittedModel
from plane_anomalib.models.lightning.base import FittedMixin, PointCloudMixin
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest
from plane_anomalib.plugins.contract.suite import CHECKS
from tests.support.template import ModelName, ModelNameDetector
from tests.unit.plugins.contract.conftest import raise_

Patch = pytest.MonkeyPatch


class Indirect(ModelName):
    """Not a direct child of anomalib's class."""


class Undocumented(FittedMixin, AnomalibModule):
    """Arguments without words, types and defaults.

    Args:
        seed: Unused.
    """

    def __init__(self, needed: int, seed: int = 0, untyped=3) -> None:
        super().__init__()


class Stubborn(FittedMixin, AnomalibModule):
    """Keeps its post-processor whatever is asked for."""

    def __init__(
        self,
        seed: int = 0,
        post_processor: Any = True,
        evaluator: Any = True,
        visualizer: Any = True,
    ) -> None:
        super().__init__(evaluator=evaluator, visualizer=visualizer)
        self.model = FittedModel(lambda: ModelNameDetector(100, seed))


def test_subject_must_be_a_point_cloud_model_and_know_its_quick_arguments(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    with pytest.raises(ContractError, match=r"class Path\(PointCloudMixin, AnomalibModule\)"):
        ModelUnderTest("Path", Path, tmp_path)
    monkeypatch.setattr(ModelName, "contract_arguments", {"num_pionts": 3})
    with pytest.raises(ContractError, match="contract_arguments of ModelName name 'num_pionts'"):
        ModelUnderTest("ModelName", ModelName, tmp_path)


def test_an_empty_cloud_that_is_scored_or_crashes_is_found(
    trained: ModelUnderTest, monkeypatch: Patch
) -> None:
    empty = InferenceBatch(anomaly_map=torch.zeros(0), pred_score=torch.zeros(1))
    monkeypatch.setattr(trained.model, "score_batch", lambda batch: empty)
    with pytest.raises(ContractError, match="A cloud of 0 points is not refused: call geometry"):
        CHECKS["empty-cloud"].run(trained)
    monkeypatch.setattr(trained.model, "score_batch", lambda batch: raise_(IndexError("bounds")))
    with pytest.raises(ContractError, match=r"raises IndexError .* in place of a Configuration"):
        CHECKS["empty-cloud"].run(trained)


def test_a_step_that_does_not_score_in_place_is_found(
    trained: ModelUnderTest, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(ModelName, "test_step", lambda self, batch, index: None)
    with pytest.raises(ContractError, match="test_step returns something else than its batch"):
        CHECKS["steps"].run(trained)


def test_a_name_that_anomalib_does_not_find_is_told(fresh: ModelUnderTest, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="called Other and the class ModelName"):
        CHECKS["name"].run(ModelUnderTest("Other", ModelName, tmp_path))
    with pytest.raises(ContractError, match="does not derive from AnomalibModule directly"):
        CHECKS["name"].run(ModelUnderTest("Indirect", Indirect, tmp_path))


def test_arguments_without_default_type_or_words_are_told(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    subject = ModelUnderTest("Undocumented", Undocumented, tmp_path)
    with pytest.raises(ContractError, match="No default for needed: `--model Name` alone"):
        CHECKS["arguments"].run(subject)
    monkeypatch.setattr(Undocumented.__init__, "__defaults__", (1, 0, 3))
    with pytest.raises(ContractError, match="No annotation for untyped: the command line"):
        CHECKS["arguments"].run(subject)
    monkeypatch.setitem(Undocumented.__init__.__annotations__, "untyped", "int")
    with pytest.raises(ContractError, match="No line in the docstring's Args for needed, untyped"):
        CHECKS["arguments"].run(subject)
    monkeypatch.setattr(
        Undocumented, "__doc__", "One.\n\n    Args:\n        needed: A.\n        seed: B.\n"
        "        untyped: C.\n",
    )  # fmt: skip
    with pytest.raises(ContractError, match="has no evaluator, visualizer"):
        CHECKS["arguments"].run(subject)


def test_an_untrained_model_that_invents_scores_is_told(
    fresh: ModelUnderTest, monkeypatch: Patch
) -> None:
    empty = InferenceBatch(anomaly_map=torch.zeros(1), pred_score=torch.zeros(1))
    monkeypatch.setattr(ModelName, "score_batch", lambda self, batch: empty)
    with pytest.raises(ContractError, match=r"gives \(1,\) scores for 60 points"):
        CHECKS["untrained"].run(fresh)


def test_images_that_are_taken_for_clouds_are_told(
    fresh: ModelUnderTest, monkeypatch: Patch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ModelName, "test_step", lambda self, batch, index: batch)
        with pytest.raises(ContractError, match="images in test_step is not refused"):
            CHECKS["images"].run(fresh)
    anything = property(lambda self: self.trainer.datamodule)
    monkeypatch.setattr(ModelName, "point_cloud_datamodule", anything)
    with pytest.raises(ContractError, match="Training on images"):
        CHECKS["images"].run(fresh)


def test_an_export_that_does_not_refuse_is_told_unless_it_is_the_models_own(
    trained: ModelUnderTest, monkeypatch: Patch
) -> None:
    def export(self: ModelName, folder: Path) -> None:
        (folder / "model.onnx").touch()

    with monkeypatch.context() as patch:
        patch.setattr(PointCloudMixin, "to_onnx", export)
        with pytest.raises(ContractError, match="Export to ONNX is not refused: put PointCloudM"):
            CHECKS["export"].run(trained)
    monkeypatch.setattr(ModelName, "to_onnx", export, raising=False)
    CHECKS["export"].run(trained)


def test_a_component_that_cannot_be_turned_off_is_told(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="post_processor given as False is there all the same"):
        CHECKS["components"].run(ModelUnderTest("Stubborn", Stubborn, tmp_path))
