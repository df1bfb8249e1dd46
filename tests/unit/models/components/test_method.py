"""Methods by name without anomalib, and in files that Lightning and we read alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.provenance import weights_hash
from plane_anomalib.core.registry import METHODS, MODELS
from plane_anomalib.metrics.thresholds import ScoreThreshold
from plane_anomalib.models.components.checkpoints import (
    CheckpointError,
    open_checkpoint,
    save_checkpoint,
)
from plane_anomalib.models.components.method import create_method
from tests.support.trees import surface

QUICK = {
    "BTF": {},
    "TemplateResidual": {"max_points": 500},
    "PatchCore3D": {"coreset_size": 50},
    "M3DM": {"num_groups": 16},
}


def clouds() -> list[np.ndarray]:
    return [surface(np.random.default_rng(seed), 300) for seed in range(2)]


def test_methods_and_models_have_the_same_names_and_arguments() -> None:
    assert METHODS.names == MODELS.names
    with pytest.raises(ConfigurationError, match="did you mean coreset_size"):
        create_method("PatchCore3D", {"coreset_sise": 5})


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_method_scores_as_its_lightning_class_and_files_go_both_ways(
    name: str, tmp_path: Path
) -> None:
    method = create_method(name, QUICK[name])
    model = MODELS.get(name)(**QUICK[name])
    assert method.arguments == dict(model.hparams)
    for fitted in (method, model.model):
        fitted.fit([("cup", clouds())])
    cloud = surface(np.random.default_rng(5), 250)
    expected = method(cloud, "cup")
    np.testing.assert_array_equal(expected.anomaly_map, model.model(cloud).anomaly_map)

    ours, theirs = tmp_path / "ours.ckpt", tmp_path / "theirs.ckpt"
    limits = ScoreThreshold(0.5, "f1", 0.25, 2.0), ScoreThreshold(0.75, "normal_quantile", 0.0, 1.0)
    state = save_checkpoint(ours, method, *limits)
    opened = open_checkpoint(ours)
    assert (opened.threshold, opened.point_threshold) == limits
    assert weights_hash(opened.state) == weights_hash(state)
    loaded = MODELS.get(name).load_from_checkpoint(ours, map_location="cpu", weights_only=True)
    assert float(loaded.post_processor.object_threshold) == 0.5
    assert loaded.post_processor.point_threshold_source == "normal_quantile"
    model.post_processor._image_threshold.fill_(3.0)
    model.post_processor.image_sensitivity = 0.25
    model.post_processor.image_min.fill_(1.0)
    model.post_processor.image_max.fill_(5.0)
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(theirs, weights_only=True)
    again = open_checkpoint(theirs)
    assert again.threshold.value == float(model.post_processor.object_threshold) == 4.0
    for each in (opened.method, again.method, loaded.model):
        np.testing.assert_array_equal(each(cloud, "cup").anomaly_map, expected.anomaly_map)


def test_the_encoder_beside_the_model_of_an_older_file_is_found(tmp_path: Path) -> None:
    method = create_method("M3DM", QUICK["M3DM"])
    method.fit([("cup", clouds())])
    file = tmp_path / "old.ckpt"
    save_checkpoint(file, method)
    content = torch.load(file, weights_only=True)
    content["state_dict"] = {
        key.replace("model.encoder.", "encoder."): value
        for key, value in content["state_dict"].items()
    }
    content["hyper_parameters"]["an_argument_that_went"] = 3
    torch.save(content, file)
    cloud = surface(np.random.default_rng(5), 250)
    expected = method(cloud).anomaly_map
    np.testing.assert_array_equal(open_checkpoint(file).method(cloud).anomaly_map, expected)
    loaded = MODELS.get("M3DM").load_from_checkpoint(file, map_location="cpu", weights_only=True)
    np.testing.assert_array_equal(loaded.model(cloud).anomaly_map, expected)


def test_a_file_of_another_build_says_to_train_again(tmp_path: Path) -> None:
    method = create_method("BTF")
    method.fit([("cup", clouds())])
    file = tmp_path / "other.ckpt"
    save_checkpoint(file, method)
    content = torch.load(file, weights_only=True)
    content["state_dict"]["model.detectors.0.more"] = torch.zeros(1)
    torch.save(content, file)
    with pytest.raises(CheckpointError, match="train again"):
        open_checkpoint(file)
    with pytest.raises(ConfigurationError, match=r"repeat --model\.descriptor=fpfh"):
        open_checkpoint(file, arguments={"descriptor": "raw"})


def test_what_is_no_checkpoint_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "noise.ckpt").write_bytes(b"noise")
    with pytest.raises(CheckpointError, match="no readable checkpoint"):
        open_checkpoint(tmp_path / "noise.ckpt")
    torch.save({"state_dict": {}}, tmp_path / "half.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint of `anomalib train`"):
        open_checkpoint(tmp_path / "half.ckpt")
    with pytest.raises(CheckpointError, match=r"give the checkpoint \(.ckpt\)"):
        open_checkpoint(tmp_path / "model.pt")


@pytest.mark.slow
def test_making_a_method_imports_neither_anomalib_nor_lightning() -> None:
    code = (
        "import sys\n"
        "from plane_anomalib.core.registry import METHODS\n"
        "configs = METHODS.load_all()\n"
        "assert not {'torch', 'numpy'} & sys.modules.keys()\n"
        "from plane_anomalib.models.components import checkpoints\n"
        "from plane_anomalib.models.components.method import create_method\n"
        "for name in configs:\n"
        "    create_method(name)\n"
        "heavy = {'anomalib', 'lightning', 'torchvision', 'pandas'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
