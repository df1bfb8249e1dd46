import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from anomalib.data import AnomalibDataModule
from jsonargparse import ArgumentError, ArgumentParser

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data import clouds as clouds_module
from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.data.clouds import CloudCache
from plane_anomalib.data.datamodule import PointCloudDataModule
from plane_anomalib.data.point_cloud import PointCloudItem
from plane_anomalib.formats.io import PointCloudData
from tests.support.trees import shapenet_tree


def jitter(item: PointCloudItem, generator: np.random.Generator) -> PointCloudItem:
    """Changes the item in place, as a careless transform would."""
    item.points += torch.from_numpy(generator.normal(size=item.points.shape)).float()
    return item


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return shapenet_tree(tmp_path / "pcd", np.random.default_rng(0), count=60)


def loaded(root: Path, **arguments: object) -> AnomalyShapeNet:
    module = AnomalyShapeNet(root=root, **arguments)  # type: ignore[arg-type]
    module.set_train_transform(jitter)
    module.setup()
    return module


def epochs(module: AnomalyShapeNet, count: int = 2) -> list[torch.Tensor]:
    loader = module.train_dataloader()
    return [batch.points for _ in range(count) for batch in loader]


def test_same_seed_gives_the_same_stream_for_any_number_of_workers(root: Path) -> None:
    expected = torch.cat(epochs(loaded(root, samples_per_epoch=10, seed=3)))
    for arguments in ({"num_workers": 1}, {"num_workers": 2}, {"train_batch_size": 3}):
        found = torch.cat(epochs(loaded(root, samples_per_epoch=10, seed=3, **arguments)))
        assert torch.equal(found, expected)
    other = torch.cat(epochs(loaded(root, samples_per_epoch=10, seed=4)))
    assert not torch.equal(other, expected)


def test_global_random_state_is_neither_used_nor_changed(root: Path) -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = torch.cat(epochs(loaded(root)))
    torch.manual_seed(2)
    np.random.seed(2)  # noqa: NPY002
    before = torch.random.get_rng_state()
    assert torch.equal(torch.cat(epochs(loaded(root))), first)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_repeated_clouds_get_new_randomness(root: Path) -> None:
    module = loaded(root, category="bowl0", samples_per_epoch=9, train_batch_size=9)
    points = next(iter(module.train_dataloader())).points
    assert len(module.train_dataloader()) == 1
    assert len(torch.unique(points[:, 0])) == len(points)


def test_changing_an_item_does_not_change_the_cached_cloud(root: Path) -> None:
    module = loaded(root)
    data = module.train_data
    changed = data[0].points
    data.transform = None
    fresh = data[0].points
    assert not torch.equal(changed, fresh)
    fresh += 1
    assert not torch.equal(data[0].points, fresh)


def test_training_clouds_are_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    original = clouds_module.read_points

    def counted(path: Path, **options: Any) -> PointCloudData:
        read.append(path)
        return original(path, **options)

    monkeypatch.setattr(clouds_module, "read_points", counted)
    epochs(loaded(root, num_workers=0), count=3)
    assert len(read) == len(set(read)) == 6


def test_transform_may_come_before_or_after_setup_and_spares_evaluation(root: Path) -> None:
    before = loaded(root)
    after = AnomalyShapeNet(root=root)
    after.setup()
    plain = after.train_data[0].points
    after.set_train_transform(jitter)
    assert torch.equal(after.train_data[0].points, before.train_data[0].points)
    assert not torch.equal(plain, before.train_data[0].points)
    assert before.val_data.transform is None
    assert before.test_data.transform is None


def test_validation_is_made_of_held_out_clouds_alone(root: Path) -> None:
    module = loaded(root)
    train, val = set(module.train_data.samples.image_path), module.val_data.samples
    assert not train & set(val.image_path)
    assert not set(val.image_path) & set(module.test_data.samples.image_path)
    assert val.groupby(["category", "label_index"]).size().tolist() == [8, 8, 8, 8]


def test_validation_clouds_depend_on_the_seed_alone(root: Path) -> None:
    def points(**arguments: object) -> list[torch.Tensor]:
        data = loaded(root, **arguments).val_data
        rows = data.samples.index[data.samples.category == "cup1"]
        return [data[int(row)].points for row in rows][-2:]

    expected = points(val_variants=2)
    pairs = zip(points(category="cup1", val_variants=2), expected, strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(points(val_variants=2, seed=1)[-1], expected[-1])


def test_synthetic_validation_has_labelled_points(root: Path) -> None:
    data = loaded(root, val_variants=2).val_data
    for index in range(len(data)):
        item = data[index]
        assert item.gt_mask is not None
        assert bool(item.gt_mask.any()) == bool(item.gt_label) == (item.defect != "good")


@pytest.mark.parametrize(
    ("mode", "train", "val", "test"),
    [
        ("synthetic", 6, 32, 8),
        ("from_train", 6, 2, 8),
        ("same_as_test", 8, 8, 8),
        ("from_test", 8, 2, 6),
    ],
)
def test_every_way_of_validating_splits_as_it_says(
    root: Path, mode: str, train: int, val: int, test: int
) -> None:
    module = loaded(root, val_split_mode=mode)
    sizes = [len(data) for data in (module.train_data, module.val_data, module.test_data)]
    assert sizes == [train, val, test]
    assert len(module.val_dataloader()) == val


def test_without_validation_every_cloud_trains(root: Path) -> None:
    module = loaded(root, val_split_mode="none")
    assert len(module.train_data) == 8
    assert module.val_dataloader() == []


def test_single_training_cloud_trains_and_validates_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    generator = np.random.default_rng(0)
    module = loaded(shapenet_tree(tmp_path, generator, ("bowl0",), templates=1))
    assert (len(module.train_data), len(module.val_data)) == (1, 32)
    assert "bowl0: one cloud only" in caplog.text


def test_batches_are_packed_and_in_the_tables_order(root: Path) -> None:
    module = loaded(root, eval_batch_size=3)
    batches = list(module.test_dataloader())
    assert [batch.batch_size for batch in batches] == [3, 3, 2]
    paths = [path for batch in batches for path in batch.path]
    assert paths == module.test_data.samples.image_path.tolist() == sorted(paths)
    assert all(len(batch.points) == int(batch.lengths.sum()) for batch in batches)


def test_datasets_travel_to_other_processes_without_their_clouds(root: Path) -> None:
    data = loaded(root).train_data
    small = len(pickle.dumps(data))
    expected = data[0].points
    assert len(pickle.dumps(data)) == small
    assert torch.equal(pickle.loads(pickle.dumps(data))[0].points, expected)  # noqa: S301


def test_cache_forgets_the_oldest_beyond_its_size() -> None:
    loads: list[str] = []

    def entry(name: str) -> tuple[np.ndarray, None, str]:
        loads.append(name)
        return np.zeros((10, 3), np.float32), None, name

    cache = CloudCache(250)
    for name in ("a", "b", "a", "c", "a", "b"):
        assert cache.get(name, lambda name=name: entry(name))[2] == name
    assert loads == ["a", "b", "c", "b"]
    nothing = CloudCache(0)
    for _ in range(2):
        nothing.get("a", lambda: entry("z"))
    assert loads[-2:] == ["z", "z"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"train_batch_size": 0}, "train_batch_size must be a whole number of at least 1, not 0"),
        ({"eval_batch_size": 1.5}, "eval_batch_size must be a whole number .* not 1.5"),
        ({"num_workers": -1}, "num_workers must be a whole number of at least 0, not -1"),
        ({"num_workers": True}, "num_workers must be a whole number .* not True"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"seed": None}, "seed must be a whole number .* not None"),
        ({"samples_per_epoch": 0}, "samples_per_epoch must be a whole number of at least 1"),
        ({"val_variants": 0}, "val_variants must be a whole number of at least 1"),
        ({"val_split_ratio": 1.0}, "val_split_ratio must be between 0 and 1, not 1.0"),
        ({"val_split_mode": "fake"}, "val_split_mode must be one of synthetic, .* not 'fake'"),
        ({"val_split_mode": "from_dir"}, "val_split_mode must be one of .* not 'from_dir'"),
        ({"category": []}, "category is empty"),
    ],
)
def test_unusable_arguments_are_refused(
    root: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        AnomalyShapeNet(root=root, **arguments)  # type: ignore[arg-type]


class OwnScans(PointCloudDataModule):
    """A third party's dataset that says which files there are and nothing else."""

    def _scan(self) -> pd.DataFrame:
        raise NotImplementedError


class OwnShapes(AnomalyShapeNet):
    """A third party's dataset with a constructor of its own.

    Args:
        extra: Its own argument.
    """

    def __init__(self, root: Path | str, extra: int = 1, seed: int = 7) -> None:
        super().__init__(root, seed=seed)
        self.extra = extra


def typed(name: str, *options: str) -> Any:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(AnomalibDataModule, "data")
    found = parser.parse_args([f"--data={__name__}.{name}", "--data.root=a", *options])
    return parser.instantiate_classes(found).data


def test_datasets_of_others_are_configured_by_command_lines() -> None:
    own = typed("OwnScans", "--data.num_workers=2", "--data.val_split_mode=none")
    assert (own.num_workers, own.val_split_mode, own.train_batch_size) == (2, "none", 4)
    shapes = typed("OwnShapes", "--data.extra=3")
    assert (shapes.extra, shapes.seed, shapes.subset, shapes.root) == (3, 7, "40", Path("a"))
    with pytest.raises(ArgumentError, match="workers"):
        typed("OwnScans", "--data.workers=2")
