"""What `PointCloudMixin` gives to any model, seen through one that does next to nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from anomalib import LearningType
from anomalib.data import InferenceBatch
from anomalib.models import AnomalibModule
from lightning.pytorch import Trainer

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.models.lightning.base import PointCloudMixin
from plane_anomalib.models.lightning.evaluator import PointCloudEvaluator
from plane_anomalib.models.lightning.post_processing import PointCloudPostProcessor
from plane_anomalib.models.lightning.visualizer import PointCloudVisualizer
from plane_anomalib.plugins.contract.model_under_test import packed
from tests.support.trees import shapenet_tree, surface


class Heights(PointCloudMixin, AnomalibModule):
    """Says that what is high up is anomalous."""

    def __init__(self) -> None:
        super().__init__(visualizer=False)
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seen: list[PointCloudBatch] = []

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        return {}

    def score_batch(self, batch: PointCloudBatch) -> InferenceBatch:
        heights = self.weight.detach() * batch.points[:, 2]
        tops = torch.stack([part.max() for part in batch.split(heights)])
        return InferenceBatch(pred_score=tops, anomaly_map=heights)

    def training_step(self, batch: PointCloudBatch, *args: Any, **kwargs: Any) -> torch.Tensor:
        self.seen.append(batch)
        return self.weight.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


class Turned(Heights):
    """Trains on clouds turned upside down."""

    def train_transform(self, datamodule: Any) -> Any:
        assert datamodule.categories == ["bowl0", "cup1"]
        return upside_down


def upside_down(item: PointCloudItem, generator: np.random.Generator) -> PointCloudItem:
    return PointCloudItem(points=-item.points, category="turned")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return shapenet_tree(tmp_path / "pcd", np.random.default_rng(0), count=60)


def fitted(model: Heights, tree: Path) -> Heights:
    Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tree,
    ).fit(model, datamodule=AnomalyShapeNet(root=tree, val_variants=1))
    return model


def test_training_gets_plain_clouds_unless_the_model_says_otherwise(tree: Path) -> None:
    plain = {name for batch in fitted(Heights(), tree).seen for name in batch.category}
    assert plain == {"bowl0", "cup1"}
    turned = {name for batch in fitted(Turned(), tree).seen for name in batch.category}
    assert turned == {"turned"}


def test_validation_finds_thresholds_that_forward_applies(tree: Path) -> None:
    model = Heights()
    batch = packed(surface(np.random.default_rng(), 90))
    untrained = model(batch)
    assert untrained.pred_label is None
    assert untrained.pred_mask is None
    found = fitted(model, tree)(batch)
    threshold = model.post_processor.point_threshold
    assert torch.equal(found.pred_mask, batch.points[:, 2] >= threshold)
    assert torch.equal(found.anomaly_map, batch.points[:, 2])
    assert found.pred_label.shape == (1,)


def test_defaults_are_made_for_point_clouds() -> None:
    model = Heights()
    assert model.pre_processor is None
    assert isinstance(model.post_processor, PointCloudPostProcessor)
    assert isinstance(model.evaluator, PointCloudEvaluator)
    assert isinstance(Heights.configure_visualizer(), PointCloudVisualizer)
    assert model.learning_type == LearningType.ONE_CLASS
    assert model.input_size is None


def test_a_model_must_say_how_it_scores() -> None:
    class Silent(Heights):
        score_batch = PointCloudMixin.score_batch

    with pytest.raises(NotImplementedError):
        Silent()(packed(surface(np.random.default_rng(), 9)))


def test_predicting_in_several_processes_is_refused_before_scores_get_lost() -> None:
    model = Heights()
    model._trainer = SimpleNamespace(world_size=2)

    with pytest.raises(ConfigurationError, match="Predictions are written by one process"):
        model.setup("predict")
