"""Checks of the class itself: its name, its arguments, what it refuses."""

from __future__ import annotations

import inspect
import re

import numpy as np
import torch
from anomalib.data import ImageBatch
from anomalib.models import AnomalibModule, get_model
from lightning.pytorch import LightningDataModule, Trainer

from plane_anomalib.core.errors import PlaneAnomalibError
from plane_anomalib.plugins.contract.check import check, expect, expect_close, expect_refusal
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest, packed
from plane_anomalib.plugins.contract.sample_data import surface

_STEPS = ("validation_step", "test_step", "predict_step")
_COMMON = ("seed", "evaluator", "visualizer")


@check
def name(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """The class is found by anomalib under its name."""
    del generator
    cls = subject.cls
    expect(
        cls.__name__ == subject.name,
        f"The entry point is called {subject.name} and the class {cls.__name__}: give both one "
        "name, since anomalib's command line goes by the class.",
    )
    expect(
        cls in AnomalibModule.__subclasses__(),
        f"{cls.__name__} does not derive from AnomalibModule directly, and anomalib's get_model "
        "looks no further: write `class Name(PointCloudMixin, AnomalibModule)`.",
    )
    found = get_model(subject.name, **subject.cls.contract_arguments, visualizer=False)
    expect(
        isinstance(found, cls),
        f"anomalib's get_model({subject.name!r}) gives a {type(found).__module__}."
        f"{type(found).__name__}: another class has that name, choose a different one.",
    )


@check
def arguments(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Every constructor argument has a type, a default and a line in the class's docstring."""
    del generator
    parameters = inspect.signature(subject.cls).parameters.values()
    text = inspect.getdoc(subject.cls) or ""
    names = [parameter.name for parameter in parameters]
    untyped = [p.name for p in parameters if p.annotation is inspect.Parameter.empty]
    required = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    silent = [name for name in names if not re.search(rf"^    {name}(?: \(.*\))?: ", text, re.M)]
    missing = [name for name in _COMMON if name not in names]
    expect(not required, f"No default for {_listed(required)}: `--model Name` alone must work.")
    expect(not untyped, f"No annotation for {_listed(untyped)}: the command line parses by type.")
    expect(not silent, f"No line in the docstring's Args for {_listed(silent)}: --help shows it.")
    expect(
        not missing,
        f"The constructor has no {_listed(missing)}: take them and hand evaluator and visualizer "
        "on to super().__init__.",
    )


@check
def untrained(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """A model that was not trained gives scores or says that it must be trained."""
    try:
        scores = subject.make().score_batch(packed(surface(generator, 60)))
    except PlaneAnomalibError:
        return
    shape = tuple(scores.anomaly_map.shape)
    expect(
        shape == (60,),
        f"An untrained model gives {shape} scores for 60 points: raise a ConfigurationError that "
        "says to train it.",
    )


@check
def images(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Images are refused in one sentence, in every step and as training data."""
    del generator
    model, batch = subject.make(), ImageBatch(image=torch.zeros(1, 3, 8, 8))
    advice = "leave setup and the steps to PointCloudMixin, or call super()."
    for step in _STEPS:
        with expect_refusal(
            f"A batch of images in {step}",
            f"{subject.name} scores point clouds, not ImageBatch",
            advice,
        ):
            getattr(model, step)(batch, 0)
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
        default_root_dir=subject.new_folder(),
    )  # fmt: skip

    class Images(LightningDataModule):
        def train_dataloader(self) -> list[ImageBatch]:
            return [batch]

    with expect_refusal(
        "Training on images", f"{subject.name} needs point clouds.*choose --data", advice
    ):
        trainer.fit(model, datamodule=Images())


@check
def empty_cloud(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """A cloud without points is refused in one sentence."""
    with expect_refusal(
        "A cloud of 0 points", "0 points", "call geometry.points.as_points on every cloud."
    ):
        subject.scores(surface(generator, 9), np.empty((0, 3)))


@check
def export(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Export to ONNX and OpenVINO is refused in one sentence, unless the class has its own."""
    del generator
    for method, kind in (("to_onnx", "ONNX"), ("to_openvino", "OpenVINO")):
        if method in vars(subject.cls):
            continue
        folder = subject.new_folder()
        with expect_refusal(
            f"Export to {kind}",
            f"cannot be exported to {kind}",
            "put PointCloudMixin before AnomalibModule among the bases.",
        ):
            getattr(subject.model, method)(folder)
        expect(not list(folder.iterdir()), f"Export to {kind} is refused and leaves files behind.")


@check
def components(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Post-processor, evaluator and visualizer can be turned off, and a checkpoint keeps that."""
    off = {"post_processor": False, "evaluator": False, "visualizer": False}
    bare, engine = subject.make(**off), subject.engine(subject.new_folder())
    engine.fit(bare, datamodule=subject.data(val_split_mode="none"))
    for model in (bare, subject.load(engine.best_model_path)):
        left = [component for component in off if getattr(model, component) is not None]
        expect(
            not left,
            f"{_listed(left)} given as False is there all the same: take pre_processor, "
            "post_processor, evaluator and visualizer and hand them on to super().__init__.",
        )
    batch = packed(surface(generator, 50))
    expect(bare(batch).pred_label is None, "Without a post-processor there must be no labels.")


@check
def steps(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Validation, test and predict steps write the scores into the batch that they are given."""
    cloud = surface(generator, 80)
    expected = subject.scores(cloud)
    model = subject.model
    for step in _STEPS:
        batch = packed(cloud)
        expect(
            getattr(model, step)(batch, 0) is batch,
            f"{step} returns something else than its batch, and anomalib's evaluator "
            "reads the batch: leave the steps to PointCloudMixin.",
        )
        sentence = f"{step} gives other scores than score_batch."
        expect_close(batch.anomaly_map, expected.anomaly_map, sentence)
        expect_close(batch.pred_score, expected.pred_score, sentence)


def _listed(names: list[str]) -> str:
    return ", ".join(names)
