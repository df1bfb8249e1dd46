"""What every registered dataset must do, whatever its folders look like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from anomalib.data import AnomalibDataModule
from lightning.pytorch import LightningModule, Trainer

from plane_anomalib.core.registry import BUILT_IN, DATASETS
from plane_anomalib.data.datamodule import PointCloudDataModule
from plane_anomalib.data.point_cloud import PointCloudBatch
from tests.support.trees import (
    folder_tree,
    minishift_tree,
    mulsen_tree,
    real3d_tree,
    shapenet_tree,
)

CONFIGS = Path(__file__).parents[2] / "configs" / "data"
SHAPES = {"category": ["vase", "bowl0"], "num_points": 1000, "num_good": 1}
Builder = Callable[..., PointCloudDataModule]

TREES: dict[str, Callable[[Path, np.random.Generator], object]] = {
    "AnomalyShapeNet": shapenet_tree,
    "Real3DAD": real3d_tree,
    "MulSenAD": mulsen_tree,
    "MiniShift": minishift_tree,
    "PointCloudFolder": folder_tree,
    "ProceduralShapes": lambda root, generator: None,
}
ARGUMENTS: dict[str, dict[str, Any]] = {"ProceduralShapes": SHAPES}


@pytest.fixture(scope="module", params=list(TREES))
def build(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """Builds the dataset under test, ready to use."""
    root = tmp_path_factory.mktemp(request.param) / "root"
    TREES[request.param](root, np.random.default_rng(0))

    def builder(**arguments: Any) -> PointCloudDataModule:
        cls = DATASETS.get(request.param)
        module = cls(root=root, **{**ARGUMENTS.get(request.param, {}), **arguments})
        assert isinstance(module, PointCloudDataModule)
        module.prepare_data()
        module.setup()
        return module

    return builder


def splits(module: PointCloudDataModule) -> dict[str, Any]:
    return {"train": module.train_data, "val": module.val_data, "test": module.test_data}


def test_every_built_in_dataset_is_under_contract() -> None:
    built_in = {e.name for e in DATASETS.entries.values() if e.origin == BUILT_IN}
    assert built_in == set(TREES)


@pytest.mark.parametrize("name", list(TREES))
def test_building_touches_no_disk(name: str, tmp_path: Path) -> None:
    module = DATASETS.get(name)(root=tmp_path / "nowhere")
    assert module.category == "all"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", list(TREES))
def test_common_arguments_have_the_same_names_and_defaults(name: str) -> None:
    common = inspect.signature(PointCloudDataModule.__init__).parameters
    own = inspect.signature(DATASETS.get(name).__init__).parameters
    for argument in set(common) - {"self", "root"}:
        assert own[argument].default == common[argument].default


def test_table_is_what_anomalib_and_the_metrics_need(build: Builder) -> None:
    for split, data in splits(build()).items():
        samples = data.samples
        assert samples.attrs["task"] in {"segmentation", "classification"}
        assert set(samples.split) == {split}
        assert samples.image_path.map(lambda path: Path(path).is_file()).all()
        assert ((samples.label_index == 1) == (samples.defect != "good")).all()
        assert samples.category.map(bool).all()


def test_only_normal_clouds_train_and_no_file_is_in_two_splits(build: Builder) -> None:
    module = build()
    assert set(module.train_data.samples.label_index) == {0}
    assert {0, 1} == set(module.test_data.samples.label_index)
    files = [set(data.samples.image_path) for data in splits(module).values()]
    assert sum(map(len, files)) == len(set.union(*files))


def test_category_can_be_a_directory(build: Builder) -> None:
    module = build()
    for name in (module.category, module.name):
        assert isinstance(name, str)
        assert Path(name).name == name


def test_every_cloud_loads_with_consistent_labels(build: Builder) -> None:
    for data in splits(build(val_variants=1)).values():
        for index in range(len(data)):
            item = data[index]
            assert item.points.dtype == torch.float32
            assert item.points.isfinite().all()
            assert item.gt_mask.shape == item.points.shape[:1]
            assert bool(item.gt_mask.any()) == bool(item.gt_label) == (item.defect != "good")


def test_same_arguments_give_the_same_numbers_twice(build: Builder) -> None:
    def numbers(seed: int) -> list[torch.Tensor]:
        module = build(seed=seed, samples_per_epoch=5, val_variants=1)
        loaders = (module.train_dataloader(), module.val_dataloader(), module.test_dataloader())
        return [torch.cat([batch.points for batch in loader]) for loader in loaders]

    first, again, other = numbers(1), numbers(1), numbers(2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert torch.equal(first[2], other[2])


def test_setting_up_again_changes_nothing(build: Builder) -> None:
    module = build()
    before = {split: data.samples for split, data in splits(module).items()}
    module.setup()
    assert all(data.samples.equals(before[split]) for split, data in splits(module).items())


def test_counts_add_up(build: Builder) -> None:
    module = build()
    counts = module.counts
    assert sorted(counts) == module.categories
    total = sum(sum(row.values()) for row in counts.values())
    assert total == sum(map(len, splits(module).values()))


class Probe(LightningModule):
    """Counts what arrives; anomalib's base needs a real detector."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[str, int]] = []

    def _count(self, step: str, batch: PointCloudBatch) -> None:
        assert isinstance(batch, PointCloudBatch)
        self.seen.append((step, batch.batch_size))

    def training_step(self, batch: PointCloudBatch) -> torch.Tensor:
        self._count("train", batch)
        return self.weight.sum() + batch.points.mean()

    def validation_step(self, batch: PointCloudBatch) -> None:
        self._count("val", batch)

    def test_step(self, batch: PointCloudBatch) -> None:
        self._count("test", batch)

    def predict_step(self, batch: PointCloudBatch) -> None:
        self._count("predict", batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize("mode", ["synthetic", "none"])
def test_lightning_fits_validates_tests_and_predicts(
    build: Builder, mode: str, tmp_path: Path
) -> None:
    module = build(val_split_mode=mode, samples_per_epoch=6, val_variants=1)
    probe = Probe()
    trainer = Trainer(
        max_epochs=2,
        accelerator="cpu",
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(probe, datamodule=module)
    trainer.test(probe, datamodule=module, verbose=False)
    trainer.predict(probe, datamodule=module, return_predictions=False)
    seen = {step: [n for s, n in probe.seen if s == step] for step, _ in probe.seen}
    assert sum(seen["train"]) == 12
    assert len(seen["test"]) == len(seen["predict"]) == len(module.test_data)
    if mode == "synthetic":
        assert len(seen["val"]) == 2 * len(module.val_data)
    else:
        assert "val" not in seen


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_configuration_files_build_a_registered_dataset(path: Path) -> None:
    module = AnomalibDataModule.from_config(path)
    assert type(module) is DATASETS.get(type(module).__name__)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_configuration_files_show_the_defaults(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    declared = DATASETS.entry(config["class_path"].rpartition(".")[2]).arguments()
    shown = {name: value for name, value in config["init_args"].items() if name != "root"}
    assert shown == {name: declared[name] for name in shown}


def test_every_dataset_has_a_configuration_file() -> None:
    texts = [path.read_text() for path in CONFIGS.glob("*.yaml")]
    for name in TREES:
        assert any(f".{name}\n" in text for text in texts)
