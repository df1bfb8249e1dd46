"""Every check finds the flaw that it is there for, and says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anomalib.data import InferenceBatch
from anomalib.models import AnomalibModule

from plane_anomalib.contract import memory
from plane_anomalib.contract.subject import Subject
from plane_anomalib.contract.suite import CHECKS
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.errors import ContractError, NotMeasuredError
from plane_anomalib.models.base import PointCloudMixin
from plane_anomalib.models.fitted import FittedMixin
from plane_anomalib.models.fitted_model import FittedModel
from tests.support.template import ModelName, ModelNameDetector

Patch = pytest.MonkeyPatch
Scored = Callable[[InferenceBatch, PointCloudBatch], Any]


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


class AllAnomalous(torch.nn.Module):
    """Thresholds as they are, but for the points."""

    def __init__(self, own: torch.nn.Module) -> None:
        super().__init__()
        self.own = own

    def forward(self, scores: InferenceBatch) -> InferenceBatch:
        return self.own(scores)._replace(pred_mask=torch.ones(200, dtype=torch.bool))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    subject = Subject("ModelName", ModelName, tmp_path_factory.mktemp("trained"))
    assert subject.model.model.categories == ("bowl0", "cup1")
    return subject


@pytest.fixture
def fresh(tmp_path: Path) -> Subject:
    return Subject("ModelName", ModelName, tmp_path)


def test_subject_must_be_a_point_cloud_model_and_know_its_quick_arguments(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    with pytest.raises(ContractError, match=r"class Path\(PointCloudMixin, AnomalibModule\)"):
        Subject("Path", Path, tmp_path)
    monkeypatch.setattr(ModelName, "contract_arguments", {"num_pionts": 3})
    with pytest.raises(ContractError, match="contract_arguments of ModelName name 'num_pionts'"):
        Subject("ModelName", ModelName, tmp_path)


def altered(patch: Patch, subject: Subject, change: Scored) -> None:
    """Let the trained model's scores pass through `change`, which alters or replaces them."""
    score = subject.model.score_batch

    def scored(batch: PointCloudBatch) -> InferenceBatch:
        found = score(batch)
        return change(found, batch) or found

    patch.setattr(subject.model, "score_batch", scored)


def mapped(change: Callable[[torch.Tensor, PointCloudBatch], torch.Tensor]) -> Scored:
    """A change of the anomaly map alone."""
    return lambda found, batch: found._replace(anomaly_map=change(found.anomaly_map, batch))


def raise_(error: Exception) -> Any:
    raise error


def draw_numpy(found: InferenceBatch, batch: PointCloudBatch) -> None:
    np.random.rand()  # noqa: NPY002


def draw_torch(found: InferenceBatch, batch: PointCloudBatch) -> None:
    torch.rand(1)


def move_points(found: InferenceBatch, batch: PointCloudBatch) -> None:
    batch.points += 1


SCORING: list[tuple[str, Scored, str]] = [
    ("every-point", mapped(lambda m, b: m[:-1]), r"anomaly_map has the shape \(632,\) for 4"),
    ("every-point", mapped(lambda m, b: m.double()), "float64: make it float32"),
    ("every-point", mapped(lambda m, b: m.where(m < m.max(), torch.nan)), "not finite"),
    ("every-point", mapped(lambda m, b: torch.zeros_like(m)), "nothing is localised"),
    (
        "permutation",
        mapped(lambda m, b: m.sort().values),
        "Scores of 40 points depend on",
    ),
    (
        "permutation",
        lambda found, b: found._replace(pred_score=b.points[:1, 0]),
        "object's score of 40 points depends on the order",
    ),
    (
        "duplicate-points",
        mapped(lambda m, b: m + 1e-3 * torch.arange(len(m))),
        "Three points in one place get different scores",
    ),
    ("batch-company", mapped(lambda m, b: m - m.mean()), "Cloud 0 of 5 gets other scores alone"),
    (
        "tiny-clouds",
        lambda f, b: raise_(IndexError("k is too large")) if len(b.points) < 10 else None,
        r"one point \(IndexError: k is too large\); three points \(Ind.*take min",
    ),
    (
        "degenerate-clouds",
        mapped(lambda m, b: m / (b.points.amax(0) - b.points.amin(0)).max()),
        r"^Fails for all points in one place \(scores that are not finite\): guard",
    ),
    (
        "extents",
        lambda f, b: raise_(MemoryError("too large")) if len(b.points) > 20_000 else None,
        r"^Fails for of 50,000 points \(MemoryError: too large\)",
    ),
    ("pure-scoring", move_points, "changes the points of the batch: copy them"),
    (
        "pure-scoring",
        mapped(lambda m, b: m.clone().requires_grad_()),
        "score under torch.no_grad",
    ),
    ("random-state", draw_numpy, "draws from numpy's global generator"),
    ("random-state", draw_torch, "draws from torch's global generator"),
    (
        "checkpoint",
        mapped(lambda m, b: m + 1),
        "model of the checkpoint scores the category 'bowl0' differently: .* 1",
    ),
]


@pytest.mark.parametrize(
    ("check", "change", "words"), SCORING, ids=[check for check, _, _ in SCORING]
)
def test_flawed_scores_are_found(
    check: str, change: Scored, words: str, trained: Subject, monkeypatch: Patch
) -> None:
    altered(monkeypatch, trained, change)
    with pytest.raises(ContractError, match=words):
        CHECKS[check].run(trained)


def test_scoring_that_changes_the_model_is_found(trained: Subject, monkeypatch: Patch) -> None:
    monkeypatch.setattr(trained.trained, "model", trained.load(trained.trained.checkpoint))
    detector = trained.model.model.detectors[0]
    altered(monkeypatch, trained, lambda f, b: (detector.normal.add_(1), None)[1])
    with pytest.raises(ContractError, match=r"twice gives other scores|model's .*normal"):
        CHECKS["pure-scoring"].run(trained)


def test_an_empty_cloud_that_is_scored_or_crashes_is_found(
    trained: Subject, monkeypatch: Patch
) -> None:
    empty = InferenceBatch(anomaly_map=torch.zeros(0), pred_score=torch.zeros(1))
    monkeypatch.setattr(trained.model, "score_batch", lambda batch: empty)
    with pytest.raises(ContractError, match="A cloud of 0 points is not refused: call geometry"):
        CHECKS["empty-cloud"].run(trained)
    monkeypatch.setattr(trained.model, "score_batch", lambda batch: raise_(IndexError("bounds")))
    with pytest.raises(ContractError, match=r"raises IndexError .* in place of a Configuration"):
        CHECKS["empty-cloud"].run(trained)


def test_a_step_that_does_not_score_in_place_is_found(trained: Subject, monkeypatch: Patch) -> None:
    monkeypatch.setattr(ModelName, "test_step", lambda self, batch, index: None)
    with pytest.raises(ContractError, match="test_step returns something else than its batch"):
        CHECKS["steps"].run(trained)


def test_memory_that_grows_too_much_is_found(trained: Subject, monkeypatch: Patch) -> None:
    monkeypatch.setattr(memory, "POINTS", 20_000)
    monkeypatch.setattr(memory, "LIMIT", 100_000_000)
    CHECKS["bounded-memory"].run(trained)
    altered(monkeypatch, trained, lambda f, b: np.ones((len(b.points), 2000), np.float32) is None)
    with pytest.raises(ContractError, match=r"20,000 points takes 0\.2 GB, more than"):
        CHECKS["bounded-memory"].run(trained)
    altered(monkeypatch, trained, lambda f, b: np.ones((len(b.points),) * 2) is None)
    with pytest.raises(ContractError, match=r"takes more than 0 GB: work in chunks"):
        CHECKS["bounded-memory"].run(trained)


def test_memory_that_cannot_be_measured_is_not_taken_for_bounded(
    trained: Subject, monkeypatch: Patch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_PROC", tmp_path)
    with pytest.raises(NotMeasuredError, match="only be measured on Linux"):
        CHECKS["bounded-memory"].run(trained)


def test_thresholds_that_are_lost_or_missing_are_found(
    trained: Subject, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(trained.trained, "model", trained.load(trained.trained.checkpoint))
    trained.model.post_processor = AllAnomalous(trained.model.post_processor)
    with pytest.raises(ContractError, match="gives another pred_mask: its thresholds were lost"):
        CHECKS["thresholds"].run(trained)
    trained.model.post_processor = None
    with pytest.raises(ContractError, match="gives no pred_label of the shape"):
        CHECKS["thresholds"].run(trained)


def test_a_table_without_categories_is_found(trained: Subject, monkeypatch: Patch) -> None:
    monkeypatch.setattr(trained.trained, "printed", "mean bowl0")
    with pytest.raises(ContractError, match="The printed table leaves out categories"):
        CHECKS["per-category"].run(trained)


def test_another_result_of_a_second_test_is_found(trained: Subject, monkeypatch: Patch) -> None:
    score = ModelName.score_batch

    def higher(self: ModelName, batch: PointCloudBatch) -> InferenceBatch:
        found = score(self, batch)
        return found._replace(pred_score=found.pred_score + 1)

    _ = trained.trained
    monkeypatch.setattr(ModelName, "score_batch", higher)
    with pytest.raises(ContractError, match="gives other object scores"):
        CHECKS["tested-again"].run(trained)


def test_a_prediction_that_is_not_complete_is_found(trained: Subject, monkeypatch: Patch) -> None:
    predict = ModelName.predict_step

    def without_map(self: ModelName, batch: PointCloudBatch, index: int) -> Any:
        predict(self, batch, index)
        return batch.update(pred_score=batch.pred_score * torch.nan, anomaly_map=None)

    monkeypatch.setattr(ModelName, "predict_step", without_map)
    with pytest.raises(ContractError, match="predict gives anomaly_map of shape None, not"):
        CHECKS["prediction"].run(trained)


def test_learning_that_uses_the_global_random_state_is_found(
    fresh: Subject, monkeypatch: Patch
) -> None:
    fit = ModelNameDetector.fit

    def fit_by_chance(self: ModelNameDetector, clouds: Any) -> None:
        fit(self, clouds)
        self.normal = self.normal + torch.rand(3)

    monkeypatch.setattr(ModelNameDetector, "fit", fit_by_chance)
    with pytest.raises(ContractError, match="Two models with seed=4 score differently"):
        CHECKS["seed"].run(fresh)


def test_a_training_that_fails_is_told(fresh: Subject, monkeypatch: Patch) -> None:
    monkeypatch.setattr(ModelNameDetector, "fit", lambda self, clouds: raise_(KeyError("bank")))
    with pytest.raises(ContractError, match="KeyError: 'bank'"):
        CHECKS["training"].run(fresh)


def test_a_name_that_anomalib_does_not_find_is_told(fresh: Subject, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="called Other and the class ModelName"):
        CHECKS["name"].run(Subject("Other", ModelName, tmp_path))
    with pytest.raises(ContractError, match="does not derive from AnomalibModule directly"):
        CHECKS["name"].run(Subject("Indirect", Indirect, tmp_path))


def test_arguments_without_default_type_or_words_are_told(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    subject = Subject("Undocumented", Undocumented, tmp_path)
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


def test_an_untrained_model_that_invents_scores_is_told(fresh: Subject, monkeypatch: Patch) -> None:
    empty = InferenceBatch(anomaly_map=torch.zeros(1), pred_score=torch.zeros(1))
    monkeypatch.setattr(ModelName, "score_batch", lambda self, batch: empty)
    with pytest.raises(ContractError, match=r"gives \(1,\) scores for 60 points"):
        CHECKS["untrained"].run(fresh)


def test_images_that_are_taken_for_clouds_are_told(fresh: Subject, monkeypatch: Patch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ModelName, "test_step", lambda self, batch, index: batch)
        with pytest.raises(ContractError, match="images in test_step is not refused"):
            CHECKS["images"].run(fresh)
    anything = property(lambda self: self.trainer.datamodule)
    monkeypatch.setattr(ModelName, "point_cloud_datamodule", anything)
    with pytest.raises(ContractError, match="Training on images"):
        CHECKS["images"].run(fresh)


def test_an_export_that_does_not_refuse_is_told_unless_it_is_the_models_own(
    trained: Subject, monkeypatch: Patch
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
        CHECKS["components"].run(Subject("Stubborn", Stubborn, tmp_path))


def test_every_check_is_shown_to_fail_here() -> None:
    source = Path(__file__).read_text()
    assert [name for name in CHECKS if f'"{name}"' not in source] == []
