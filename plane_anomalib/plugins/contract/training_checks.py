"""Checks of whole runs: training, checkpoints, results, prediction."""

from __future__ import annotations

import numpy as np
import torch

from plane_anomalib.core.results import read_metrics_json
from plane_anomalib.data.dataset import PointCloudPredictDataset
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.plugins.contract.check import check, expect, expect_close
from plane_anomalib.plugins.contract.model_under_test import CATEGORIES, ModelUnderTest, packed
from plane_anomalib.plugins.contract.sample_data import surface

_METRICS = ("object_AUROC", "point_AUROC")


@check
def training(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """The model trains on two categories of four clouds, and is tested on them."""
    del generator
    expect(
        subject.trained.checkpoint.is_file(),
        "Training left no checkpoint: leave enable_checkpointing and the callbacks to anomalib.",
    )


@check
def seed(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Two fresh models of one seed, trained alike, give the same bits."""
    cloud, found = surface(generator, 300), []
    for attempt in range(2):
        with torch.random.fork_rng():
            torch.manual_seed(100 + attempt)
            fresh = subject.make(seed=4)
            run = subject.engine(subject.new_folder())
            run.fit(fresh, datamodule=subject.data(val_split_mode="none"))
            found.append(fresh.score_batch(packed(cloud)))
    sentence = (
        "Two models with seed=4 score differently: draw all that is random, weights included, "
        "from generators made of `seed`"
    )
    expect_close(found[1].anomaly_map, found[0].anomaly_map, sentence)
    expect_close(found[1].pred_score, found[0].pred_score, sentence)


@check
def checkpoint(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """A checkpoint holds plain data and gives the same scores, for unknown categories, too."""
    # Raises where anything but tensors and plain data was saved.
    torch.load(subject.trained.checkpoint, weights_only=True)
    loaded = subject.load(subject.trained.checkpoint)
    clouds = [surface(generator, size) for size in (500, 90, 2)]
    for category in (*CATEGORIES, "never seen"):
        expected = subject.scores(*clouds, category=category)
        found = loaded.score_batch(packed(*clouds, category=category))
        sentence = (
            f"The model of the checkpoint scores the category {category!r} differently: what is "
            "learnt must lie in parameters or buffers (or get_extra_state)"
        )
        expect_close(found.anomaly_map, expected.anomaly_map, sentence)
        expect_close(found.pred_score, expected.pred_score, sentence)


@check
def thresholds(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Training finds thresholds, and a checkpoint keeps them."""
    loaded = subject.load(subject.trained.checkpoint)
    batch = packed(surface(generator, 200))
    expected, found = subject.model(batch), loaded(batch)
    for name, shape in (("pred_label", (1,)), ("pred_mask", (200,))):
        values = getattr(expected, name)
        expect(
            values is not None and tuple(values.shape) == shape,
            f"A trained model gives no {name} of the shape {shape}: hand post_processor on to "
            "super().__init__ and let trainer_arguments validate at least once.",
        )
        expect(
            torch.equal(getattr(found, name), values),
            f"The model of the checkpoint gives another {name}: its thresholds were lost.",
        )


@check
def per_category(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """`metrics.json` and the printed table name every category, and every object has a score."""
    del generator
    trained = subject.trained
    result = read_metrics_json(trained.run)
    found = set(result.metrics.per_category)
    expect(found == set(CATEGORIES), f"metrics.json has the categories {found}, not {CATEGORIES}.")
    for metrics in (result.metrics.mean, *result.metrics.per_category.values()):
        for name in _METRICS:
            value = metrics[name]
            in_range = value is not None and 0 <= value <= 1
            expect(in_range, f"{name} is {value}, not between 0 and 1.")
    expect(len(result.objects) == 8, f"metrics.json lists {len(result.objects)} objects, not 8.")
    expect(
        result.seed == 0,
        f"metrics.json says seed {result.seed}, not 0: the constructor needs `seed: int = 0`.",
    )
    expect(result.model.name == subject.cls.__name__, f"The model is called {result.model.name}.")
    expect(
        all(category in trained.printed for category in CATEGORIES),
        "The printed table leaves out categories: hand `evaluator` on to super().__init__.",
    )


@check
def tested_again(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """`test` from the checkpoint gives the metrics and scores that `train` gave."""
    del generator
    trained, folder = subject.trained, subject.new_folder()
    subject.engine(folder).test(
        subject.make(), datamodule=subject.data(), ckpt_path=trained.checkpoint, verbose=False
    )
    (written,) = folder.rglob("metrics.json")
    again, before = read_metrics_json(written.parent), read_metrics_json(trained.run)
    sentence = (
        "test --ckpt_path gives other {}: what is learnt must be in the state_dict, and loading "
        "must not depend on the training data."
    )
    expect(again.metrics == before.metrics, sentence.format("metrics"))
    scores = [[found.score for found in result.objects] for result in (again, before)]
    expect(scores[0] == scores[1], sentence.format("object scores"))


@check
def prediction(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """`predict` takes files without category or labels."""
    del generator
    batches = subject.engine(subject.new_folder()).predict(
        subject.make(),
        dataset=PointCloudPredictDataset(subject.tree / CATEGORIES[0] / "test"),
        ckpt_path=subject.trained.checkpoint,
    )
    expect(
        all(isinstance(batch, PointCloudBatch) for batch in batches),
        "predict_step returns no PointCloudBatch: leave it to PointCloudMixin.",
    )
    count = sum(batch.batch_size for batch in batches)
    expect(count == 4, f"predict on 4 files gives {count} results.")
    for batch in batches:
        points, clouds = (len(batch.points),), (batch.batch_size,)
        for name, shape in (("anomaly_map", points), ("pred_mask", points), ("pred_label", clouds)):
            values = getattr(batch, name)
            found = None if values is None else tuple(values.shape)
            expect(found == shape, f"predict gives {name} of shape {found}, not {shape}.")
        expect(batch.anomaly_map.isfinite().all(), "predict gives scores that are not finite.")
