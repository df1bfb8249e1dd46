"""The four published baselines as anomalib runs them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from anomalib.engine import Engine

from plane_anomalib.backbones.conversion import convert
from plane_anomalib.backbones.encoder_files import load_point_transformer
from plane_anomalib.backbones.weights.catalogue import CATALOGUE
from plane_anomalib.backbones.weights.store import converted_path
from plane_anomalib.core.errors import ConfigurationError, WeightsError
from plane_anomalib.core.results import read_metrics_json
from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.models.btf import BTF
from plane_anomalib.models.m3dm import M3DM
from plane_anomalib.models.patchcore3d import PatchCore3D
from plane_anomalib.models.reg3dad import Reg3DAD
from tests.support.official_files import official
from tests.support.trees import shapenet_tree, surface


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = np.random.default_rng(0)
    return shapenet_tree(tmp_path_factory.mktemp("tree"), generator, ("bowl0", "cup1"), count=2000)


def train(model: Any, tree: Path, folder: Path) -> Engine:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    engine = Engine(default_root_dir=folder, accelerator="cpu", devices=1, **quiet)
    engine.train(model, datamodule=AnomalyShapeNet(root=tree, val_variants=1))
    return engine


@pytest.mark.slow
def test_faithful_fusion_looks_at_the_test_set_and_stays_within_its_range(
    tree: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = PatchCore3D(descriptor="fpfh+raw", preset="faithful", visualizer=False)
    train(model, tree, tmp_path)
    (file,) = tmp_path.rglob("metrics.json")
    result = read_metrics_json(file)
    assert all(0 <= cloud.score <= 1 for cloud in result.objects)
    assert "normalised over the test set" in caplog.text
    assert result.model.arguments["preset"] == "faithful"


@pytest.mark.parametrize("preset", ["fixed", "faithful"])
@pytest.mark.parametrize("descriptor", ["fpfh", "raw"])
def test_btf_finds_dents_on_an_ellipsoid(
    preset: Any, descriptor: Any, tree: Path, tmp_path: Path
) -> None:
    train(BTF(descriptor=descriptor, preset=preset, visualizer=False), tree, tmp_path)
    (file,) = tmp_path.rglob("metrics.json")
    mean = read_metrics_json(file).metrics.mean
    assert mean["point_AUROC"] is not None
    if preset == "fixed":
        assert mean["point_AUROC"] > 0.7


@pytest.mark.slow
def test_one_bank_for_all_categories_holds_the_rows_of_each(tree: Path, tmp_path: Path) -> None:
    apart, together = BTF(visualizer=False), BTF(scope="all", visualizer=False)
    train(apart, tree, tmp_path / "apart")
    train(together, tree, tmp_path / "together")
    rows = [len(detector.banks[0].rows) for detector in apart.model.detectors]
    assert [len(d.banks[0].rows) for d in together.model.detectors] == [sum(rows)]
    assert together.model.categories == apart.model.categories == ("bowl0", "cup1")


def test_banks_are_loaded_without_the_training_data(tree: Path, tmp_path: Path) -> None:
    model = M3DM(num_groups=32, visualizer=False)
    train(model, tree, tmp_path)
    model.model.save(tmp_path / "banks.safetensors")
    fresh = M3DM(num_groups=32, visualizer=False)
    fresh.model.load(tmp_path / "banks.safetensors")
    points = torch.from_numpy(surface(np.random.default_rng(), 200))
    args = points, torch.tensor([200]), ["cup1"]
    assert torch.equal(
        fresh.model.score_packed(*args).anomaly_map, model.model.score_packed(*args).anomaly_map
    )


def test_a_checkpoint_of_other_arguments_names_what_to_repeat(tree: Path, tmp_path: Path) -> None:
    engine = train(BTF(descriptor="raw", visualizer=False), tree, tmp_path)
    with pytest.raises(ConfigurationError, match=r"repeat --model\.descriptor=raw"):
        engine.test(
            BTF(visualizer=False),
            datamodule=AnomalyShapeNet(root=tree, val_variants=1),
            ckpt_path=engine.best_model_path,
        )


def test_an_encoder_stays_as_it_is_in_training() -> None:
    model = Reg3DAD(visualizer=False).train()
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.model.encoder.parameters())


@pytest.mark.parametrize("descriptor", ["point-mae", "point-bert"])
def test_weights_that_are_not_there_are_asked_for_in_one_sentence(descriptor: Any) -> None:
    sentence = rf'weights of "{descriptor}" do not come.*weights get {descriptor} .*its path'
    with pytest.raises(WeightsError, match=sentence):
        PatchCore3D(descriptor=descriptor)
    with pytest.raises(WeightsError, match="no backbone"):
        M3DM(backbone="point-mea")


@pytest.fixture(scope="module")
def official_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small checkpoint of 12 blocks in ULIP's layout."""
    path = tmp_path_factory.mktemp("weights") / "official.pt"
    torch.save({"state_dict": official(depth=12)}, path)
    return path


@pytest.mark.parametrize("model", [PatchCore3D, M3DM, Reg3DAD])
@pytest.mark.parametrize("way", ["name", "converted", "published"])
def test_any_weights_are_taken_by_name_or_file(model: Any, way: str, official_file: Path) -> None:
    named = converted_path(CATALOGUE["ulip2-xyz"])
    convert(official_file, named)
    backbone = {"name": "ulip2-xyz", "converted": named, "published": official_file}[way]
    made = model(backbone=str(backbone), visualizer=False)
    expected = load_point_transformer(official_file).state_dict()
    assert {name: t.shape for name, t in made.model.encoder.state_dict().items()} == {
        name: t.shape for name, t in expected.items()
    }
    assert all(torch.equal(t, expected[n]) for n, t in made.model.encoder.state_dict().items())
    made.model.fit([("cup0", iter([surface(np.random.default_rng(0), 200)]))])
    cloud = torch.from_numpy(surface(np.random.default_rng(1), 150))
    assert (
        made.model.score_packed(cloud, torch.tensor([150]), ["cup0"]).anomaly_map.isfinite().all()
    )


def test_descriptors_named_after_a_backbone_are_that_backbone() -> None:
    by_descriptor, by_backbone = PatchCore3D(descriptor="builtin"), PatchCore3D(backbone="builtin")
    weights = by_backbone.model.encoder.state_dict()
    assert all(
        torch.equal(t, weights[n]) for n, t in by_descriptor.model.encoder.state_dict().items()
    )
    assert PatchCore3D().model.encoder is None


@pytest.mark.parametrize(
    ("model", "arguments", "message"),
    [
        (BTF, {"descriptor": "fpfhh"}, "did you mean 'fpfh'"),
        (BTF, {"preset": "fix"}, "did you mean 'fixed'"),
        (PatchCore3D, {"scope": "al"}, "did you mean 'all'"),
        (PatchCore3D, {"descriptor": "fpfh+raw", "backbone": "builtin"}, "exclude each other"),
        (PatchCore3D, {"coreset_size": 0}, "coreset_size must be above 0"),
        (Reg3DAD, {"coreset_size": -3}, "coreset_size must be above 0"),
        (M3DM, {"num_groups": 0}, "num_groups must be above 0"),
        (BTF, {"seed": -1}, "seed must be at least 0"),
    ],
)
def test_arguments_that_cannot_work_are_refused_in_one_sentence(
    model: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        model(**arguments)


def test_fitting_in_several_processes_is_refused_in_one_sentence() -> None:
    model = BTF()
    model._trainer = SimpleNamespace(world_size=2)

    with pytest.raises(ConfigurationError, match=r"BTF is fitted once, .* process, not by 2"):
        model.setup("fit")
