"""What every registered model must do, however it finds anomalies."""

from __future__ import annotations

import inspect
import io
import logging
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anomalib.data import ImageBatch, InferenceBatch
from anomalib.engine import Engine
from anomalib.models import AnomalibModule, get_model
from lightning.pytorch import LightningDataModule, Trainer

from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.data.predict import PointCloudPredictDataset
from plane_anomalib.errors import ConfigurationError
from plane_anomalib.models.base import PointCloudMixin
from plane_anomalib.registry import BUILT_IN, MODELS
from plane_anomalib.results import read_metrics_json
from tests.support.small_plane import packed
from tests.support.trees import shapenet_tree, surface

CATEGORIES = ("bowl0", "cup1")
BUILT_IN_MODELS = [entry.name for entry in MODELS.entries.values() if entry.origin == BUILT_IN]
SMALL: dict[str, dict[str, Any]] = {
    "Plane": {
        "num_points": 128,
        "extra_points": 16,
        "num_groups": 16,
        "num_views": 2,
        "adapter_hidden": 32,
        "max_steps": 2,
    },
}
"""Arguments that make a model quick; one that is not listed runs as it is."""

TINY: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "one point": lambda rng: surface(rng, 1),
    "three points": lambda rng: surface(rng, 3),
    "fifty points": lambda rng: surface(rng, 50),
    "every point four times": lambda rng: np.repeat(surface(rng, 40), 4, 0),
    "one place only": lambda rng: np.full((70, 3), 7.0, np.float32),
    "on a line": lambda rng: np.outer(rng.normal(size=90), [1, 2, 3]).astype(np.float32),
    "on a plane": lambda rng: surface(rng, 90) * np.float32([1, 1, 0]),
    "far from the origin": lambda rng: surface(rng, 90) + np.float32(1e4),
    "very small": lambda rng: surface(rng, 90) * np.float32(1e-6),
    "a hundred": lambda rng: surface(rng, 100),
    "many": lambda rng: surface(rng, 50_000),
}


@pytest.fixture(scope="module", params=BUILT_IN_MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    return shapenet_tree(tmp_path_factory.mktemp("tree"), rng, CATEGORIES, count=300)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng()


def make(name: str, **arguments: Any) -> PointCloudMixin:
    model = MODELS.get(name)(**{"visualizer": False, **SMALL.get(name, {}), **arguments})
    assert isinstance(model, PointCloudMixin)
    return model


def data(tree: Path, **arguments: Any) -> AnomalyShapeNet:
    return AnomalyShapeNet(root=tree, **{"samples_per_epoch": 8, "val_variants": 1, **arguments})


def engine(folder: Path) -> Engine:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Engine(default_root_dir=folder, accelerator="cpu", devices=1, **quiet)


def scores(model: PointCloudMixin, *clouds: np.ndarray, category: Any = "bowl0") -> InferenceBatch:
    return model.score_batch(packed(*clouds, category=category))


class Trained:
    """One run of `train`: the model, its checkpoint, what was written and printed."""

    def __init__(self, name: str, tree: Path, folder: Path) -> None:
        self.engine, self.model = engine(folder), make(name)
        printed = io.StringIO()
        with redirect_stdout(printed):
            self.engine.train(self.model, datamodule=data(tree))
        self.printed = printed.getvalue()
        self.checkpoint = Path(self.engine.best_model_path)
        (metrics,) = folder.rglob("metrics.json")
        self.run = metrics.parent


@pytest.fixture(scope="module")
def trained(name: str, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(name, tree, tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module")
def model(trained: Trained) -> PointCloudMixin:
    return trained.model


def test_class_is_one_that_anomalib_finds_by_name(name: str) -> None:
    cls = MODELS.get(name)
    assert cls.__name__ == name
    # anomalib's get_model looks at direct subclasses only.
    assert cls in AnomalibModule.__subclasses__()
    assert issubclass(cls, PointCloudMixin)
    assert isinstance(get_model(name, **SMALL.get(name, {}), visualizer=False), cls)


def test_arguments_are_documented_typed_and_have_defaults(name: str) -> None:
    cls = MODELS.get(name)
    parameters = [p for p in inspect.signature(cls).parameters.values() if p.name != "self"]
    for parameter in parameters:
        assert parameter.default is not inspect.Parameter.empty, parameter.name
        assert parameter.annotation is not inspect.Parameter.empty, parameter.name
        assert f"    {parameter.name}: " in inspect.getdoc(cls), parameter.name  # type: ignore[operator]
    assert {"seed", "evaluator", "visualizer"} <= {parameter.name for parameter in parameters}


def test_every_point_is_scored(model: PointCloudMixin, rng: np.random.Generator) -> None:
    clouds = [surface(rng, size) for size in (500, 3, 129, 1)]
    found = scores(model, *clouds, category=["bowl0", "cup1", "cup1", "bowl0"])
    assert found.anomaly_map.shape == (633,)
    assert found.pred_score.shape == (4,)
    for values in (found.anomaly_map, found.pred_score):
        assert values.dtype == torch.float32
        assert values.isfinite().all()
    assert len(found.anomaly_map[:500].unique()) > 1


def test_permuting_points_permutes_scores(model: PointCloudMixin, rng: np.random.Generator) -> None:
    for size in (40, 5000):
        cloud, order = surface(rng, size), rng.permutation(size)
        plain, shuffled = scores(model, cloud), scores(model, cloud[order])
        scale = float(plain.anomaly_map.abs().max())
        torch.testing.assert_close(
            shuffled.anomaly_map, plain.anomaly_map[order], rtol=1e-4, atol=1e-4 * scale
        )
        torch.testing.assert_close(shuffled.pred_score, plain.pred_score, rtol=1e-4, atol=1e-6)


def test_points_in_one_place_get_one_score(
    model: PointCloudMixin, rng: np.random.Generator
) -> None:
    found = scores(model, np.repeat(surface(rng, 90), 3, 0)).anomaly_map.view(90, 3)
    torch.testing.assert_close(found, found[:, :1].expand(-1, 3), rtol=1e-4, atol=1e-6)


def test_what_else_is_in_the_batch_does_not_matter(
    model: PointCloudMixin, rng: np.random.Generator
) -> None:
    clouds = [surface(rng, size) for size in (300, 1, 50, 900, 3)]
    names = ["bowl0", "cup1", "bowl0", "cup1", "bowl0"]
    together = scores(model, *clouds, category=names)
    parts = together.anomaly_map.split([len(cloud) for cloud in clouds])
    for i, (cloud, name) in enumerate(zip(clouds, names, strict=True)):
        alone = scores(model, cloud, category=name)
        torch.testing.assert_close(alone.anomaly_map, parts[i], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(alone.pred_score[0], together.pred_score[i])


@pytest.mark.parametrize("kind", TINY)
def test_odd_clouds_get_finite_scores(
    kind: str, model: PointCloudMixin, rng: np.random.Generator
) -> None:
    cloud = TINY[kind](rng)
    found = scores(model, cloud)
    assert found.anomaly_map.shape == (len(cloud),)
    assert found.anomaly_map.isfinite().all()
    assert found.pred_score.isfinite().all()


def test_scoring_changes_neither_the_batch_nor_the_model(
    model: PointCloudMixin, rng: np.random.Generator
) -> None:
    batch = packed(surface(rng, 200), surface(rng, 60))
    points = batch.points.clone()
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    first = model.score_batch(batch)
    again = model.score_batch(batch)
    assert torch.equal(batch.points, points)
    assert torch.equal(first.anomaly_map, again.anomaly_map)
    assert not first.anomaly_map.requires_grad
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, weights[key], rtol=0, atol=0, equal_nan=True)


def test_global_random_state_is_neither_used_nor_changed(
    model: PointCloudMixin, rng: np.random.Generator
) -> None:
    cloud = surface(rng, 400)
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = scores(model, cloud).anomaly_map
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    assert torch.equal(scores(model, cloud).anomaly_map, first)


def test_same_seed_in_two_fresh_instances_gives_the_same_scores(
    name: str, tree: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    cloud, found = surface(rng, 300), []
    for attempt in range(2):
        torch.manual_seed(100 + attempt)
        fresh = make(name, seed=4)
        engine(tmp_path / str(attempt)).fit(fresh, datamodule=data(tree, val_split_mode="none"))
        found.append(scores(fresh, cloud))
    assert torch.equal(found[0].anomaly_map, found[1].anomaly_map)
    assert torch.equal(found[0].pred_score, found[1].pred_score)


def test_checkpoint_holds_plain_data_and_gives_the_same_scores(
    name: str, trained: Trained, rng: np.random.Generator
) -> None:
    torch.load(trained.checkpoint, weights_only=True)
    loaded = MODELS.get(name).load_from_checkpoint(trained.checkpoint, weights_only=True)
    clouds = [surface(rng, size) for size in (500, 90, 2)]
    for category in (*CATEGORIES, "never seen"):
        expected = scores(trained.model, *clouds, category=category)
        found = scores(loaded, *clouds, category=category)
        assert torch.equal(found.anomaly_map, expected.anomaly_map)
        assert torch.equal(found.pred_score, expected.pred_score)


def test_checkpoint_keeps_the_thresholds(
    name: str, trained: Trained, rng: np.random.Generator
) -> None:
    loaded = MODELS.get(name).load_from_checkpoint(trained.checkpoint, weights_only=True)
    batch = packed(surface(rng, 200))
    expected, found = trained.model(batch), loaded(batch)
    assert expected.pred_label.shape == (1,)
    assert expected.pred_mask.shape == (200,)
    assert torch.equal(found.pred_label, expected.pred_label)
    assert torch.equal(found.pred_mask, expected.pred_mask)


def test_test_run_reports_every_category_and_every_object(trained: Trained) -> None:
    result = read_metrics_json(trained.run)
    assert set(result.metrics.per_category) == set(CATEGORIES)
    for metrics in (result.metrics.mean, *result.metrics.per_category.values()):
        assert 0 <= metrics["object_AUROC"] <= 1
        assert 0 <= metrics["point_AUROC"] <= 1
    assert len(result.objects) == 8
    assert (result.seed, result.model.name) == (0, type(trained.model).__name__)
    assert all(category in trained.printed for category in CATEGORIES)


def test_tested_again_from_the_checkpoint_gives_the_same_metrics(
    name: str, trained: Trained, tree: Path, tmp_path: Path
) -> None:
    fresh = engine(tmp_path)
    fresh.test(make(name), datamodule=data(tree), ckpt_path=trained.checkpoint, verbose=False)
    (written,) = tmp_path.rglob("metrics.json")
    again, before = read_metrics_json(written.parent), read_metrics_json(trained.run)
    assert again.metrics == before.metrics
    assert [o.score for o in again.objects] == [o.score for o in before.objects]


def test_prediction_of_files_without_category_or_labels(
    name: str, trained: Trained, tree: Path, tmp_path: Path
) -> None:
    batches = engine(tmp_path).predict(
        make(name),
        dataset=PointCloudPredictDataset(tree / "bowl0" / "test"),
        ckpt_path=trained.checkpoint,
    )
    assert sum(batch.batch_size for batch in batches) == 4
    for batch in batches:
        assert isinstance(batch, PointCloudBatch)
        assert batch.anomaly_map.shape == batch.pred_mask.shape == (len(batch.points),)
        assert batch.anomaly_map.isfinite().all()
        assert batch.pred_label.shape == (batch.batch_size,)


def test_steps_score_in_place(model: PointCloudMixin, rng: np.random.Generator) -> None:
    expected = scores(model, surface(np.random.default_rng(5), 80))
    for step in (model.validation_step, model.test_step, model.predict_step):
        batch = packed(surface(np.random.default_rng(5), 80))
        assert step(batch, 0) is batch
        assert torch.equal(batch.anomaly_map, expected.anomaly_map)
        assert torch.equal(batch.pred_score, expected.pred_score)


def test_images_are_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    fresh = make(name)
    images = ImageBatch(image=torch.zeros(1, 3, 8, 8))
    for step in (fresh.validation_step, fresh.test_step, fresh.predict_step):
        with pytest.raises(ConfigurationError, match=f"{name} scores point clouds, not ImageBatch"):
            step(images, 0)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        default_root_dir=tmp_path,
    )  # fmt: skip

    class Images(LightningDataModule):
        def train_dataloader(self) -> list[ImageBatch]:
            return [images]

    with pytest.raises(ConfigurationError, match=f"{name} needs point clouds.*choose --data"):
        trainer.fit(fresh, datamodule=Images())


def test_empty_cloud_is_refused_in_one_sentence(
    model: PointCloudMixin, rng: np.random.Generator
) -> None:
    with pytest.raises(ConfigurationError, match="0 points"):
        scores(model, surface(rng, 9), np.empty((0, 3)))


def test_export_without_a_form_for_it_is_refused(model: PointCloudMixin, tmp_path: Path) -> None:
    for export, kind in ((model.to_onnx, "ONNX"), (model.to_openvino, "OpenVINO")):
        with pytest.raises(ConfigurationError, match=f"cannot be exported to {kind}"):
            export(tmp_path)
    assert not list(tmp_path.iterdir())


def test_components_can_be_turned_off_and_stay_off(
    name: str, tree: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    off = {"post_processor": False, "evaluator": False, "visualizer": False}
    bare = make(name, **off)
    with caplog.at_level(logging.ERROR):
        run = engine(tmp_path)
        run.fit(bare, datamodule=data(tree, val_split_mode="none"))
    loaded = MODELS.get(name).load_from_checkpoint(run.best_model_path, weights_only=True)
    for model in (bare, loaded):
        assert [getattr(model, component) for component in off] == [None] * 3
    assert bare(packed(surface(np.random.default_rng(), 50))).pred_label is None
