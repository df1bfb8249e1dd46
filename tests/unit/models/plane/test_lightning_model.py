from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.plane import Plane
from plane_anomalib.models.plane.maps import dice_loss, focal_loss
from plane_anomalib.plugins.contract.model_under_test import packed
from tests.support.trees import surface
from tests.support.watch import Watch, finite, parameters, same
from tests.unit.models.plane.conftest import Fit, PlaneMaker


def test_loss_is_the_weighted_sum_on_the_mean_map(make_plane: PlaneMaker, fit: Fit) -> None:
    watch = Watch()
    model = fit(
        make_plane(focal_weight=0.3, dice_weight=2.0, focal_gamma=1.5, dice_smooth=0.5),
        callbacks=[watch],
        max_steps=1,
    )
    batch = watch.batches[0]
    model.model.load_state_dict(watch.before)
    maps = model.model.maps(
        batch.points.view(4, 72, 3), batch.features.view(4, 72, -1), batch.category
    )
    target = batch.gt_mask.view(4, 72)
    expected = 0.3 * focal_loss(maps, target, 1.5) + 2 * dice_loss(maps, target, 0.5)
    assert watch.losses[0] == pytest.approx(expected.item(), rel=1e-4)


@pytest.fixture
def no_group_left() -> Iterator[None]:
    """The process group of a distributed trainer outlives it."""
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("no_group_left")
@pytest.mark.parametrize(
    "changes",
    [
        {"feature_adapter": "linear"},
        {"feature_adapter": "vpt-deep", "dynamic_prompts": False},
        {"dynamic_text_length": 0, "learnable_temperature": False},
    ],
)
def test_distributed_training_does_not_wait_for_prompts_that_an_ablation_turns_off(
    changes: dict[str, Any], make_plane: PlaneMaker, fit: Fit
) -> None:
    watch = Watch()

    fit(make_plane(**changes), callbacks=[watch], strategy="ddp", devices=1)

    # Without a gradient for every parameter, the second step raises.
    assert watch.steps == [1, 2, 3]
    assert finite(watch.losses)


@pytest.mark.parametrize("precision", ["32", "bf16", "auto"])
def test_every_precision_trains_to_finite_scores(
    precision: str, make_plane: PlaneMaker, fit: Fit
) -> None:
    watch = Watch()
    model = fit(make_plane(precision=precision, max_steps=4), callbacks=[watch])
    assert finite(watch.losses)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    found = model.score_batch(packed(surface(np.random.default_rng(), 99)))
    assert found.anomaly_map.dtype == torch.float32
    assert found.anomaly_map.isfinite().all()


def test_bfloat16_really_computes_in_bfloat16(make_plane: PlaneMaker, fit: Fit) -> None:
    losses = {}
    for precision in ("32", "bf16"):
        watch = Watch()
        fit(make_plane(precision=precision), callbacks=[watch], max_steps=1)
        losses[precision] = watch.losses[0]
    assert losses["32"] != losses["bf16"]
    assert losses["32"] == pytest.approx(losses["bf16"], rel=0.1)


def test_checkpoint_scores_in_bfloat16_almost_as_in_float32(
    make_plane: PlaneMaker, fit: Fit, tmp_path: Path
) -> None:
    trained = fit(make_plane(max_steps=4))
    trained.trainer.save_checkpoint(tmp_path / "plane.ckpt")
    checkpoint = torch.load(tmp_path / "plane.ckpt", weights_only=False)
    half = make_plane(backbone_precision="bf16")
    half.on_load_checkpoint(checkpoint)
    half.load_state_dict(checkpoint["state_dict"])
    batch = packed(surface(np.random.default_rng(), 300))
    expected, found = (model.eval().score_batch(batch) for model in (trained, half))
    assert found.anomaly_map.dtype == torch.float32
    difference = (found.anomaly_map - expected.anomaly_map).abs().max().item()
    assert 0 < difference < 0.05  # 24 channels average little rounding out


def test_held_encoders_train_in_either_precision(make_plane: PlaneMaker, fit: Fit) -> None:
    losses = []
    for precision in ("32", "bf16"):
        watch = Watch()
        fit(make_plane(precision=precision, backbone_precision="bf16"), callbacks=[watch])
        assert finite(watch.losses)
        losses.append(watch.losses[0])
    assert losses[0] == pytest.approx(losses[1], rel=0.1)


def test_backbone_is_bit_for_bit_the_same_after_training(make_plane: PlaneMaker, fit: Fit) -> None:
    model = make_plane()
    before = {n: v.clone() for n, v in model.model.backbone.state_dict().items()}
    fit(model)
    assert all(torch.equal(v, before[n]) for n, v in model.model.backbone.state_dict().items())


@pytest.mark.slow
def test_training_lowers_the_loss(make_plane: PlaneMaker, fit: Fit) -> None:
    watch = Watch()
    model = make_plane(max_steps=60, synthesis="ano3d", extra_points=32)
    fit(model, callbacks=[watch], data={"samples_per_epoch": 80})
    assert np.mean(watch.losses[-15:]) < np.mean(watch.losses[:15])


@pytest.mark.slow
def test_seed_gives_the_same_weights_twice_and_another_seed_others(
    make_plane: PlaneMaker, fit: Fit
) -> None:
    first = fit(make_plane(seed=1), data={"seed": 1})
    torch.manual_seed(99)
    assert same(first, fit(make_plane(seed=1), data={"seed": 1}))
    other_model = fit(make_plane(seed=2), data={"seed": 1})
    other_data = fit(make_plane(seed=1), data={"seed": 2})
    assert not same(first, other_model)
    assert not same(first, other_data)
    fresh = [make_plane(seed=seed).model.text_prompts.vectors for seed in (1, 2)]
    assert not torch.equal(*fresh)


def test_number_of_workers_does_not_change_the_weights(make_plane: PlaneMaker, fit: Fit) -> None:
    assert same(fit(make_plane()), fit(make_plane(), data={"num_workers": 1}))


def test_rates_are_those_of_the_groups(make_plane: PlaneMaker, fit: Fit) -> None:
    watch = Watch()
    rates = {
        "learning_rate": 1e-4,
        "prompt_learning_rate": 1e-5,
        "place_learning_rate": 1e-3,
        "schedule": "constant",
    }
    model = fit(make_plane(**rates), callbacks=[watch])
    assert watch.rates == [[1e-4, 1e-5, 1e-3]] * 3
    groups = model.trainer.optimizers[0].param_groups
    for group, expected in (
        (groups[1], {"text_prompts", "dynamic"}),
        (groups[2], {"place_prompts"}),
    ):
        own = {id(p) for p in group["params"]}
        assert {n.split(".")[1] for n, p in model.named_parameters() if id(p) in own} == expected
    every = [p for group in groups for p in group["params"]]
    assert {id(p) for p in every} == {id(p) for p in model.parameters() if p.requires_grad}


def test_one_cycle_rises_and_ends_near_zero(make_plane: PlaneMaker, fit: Fit) -> None:
    watch = Watch()
    fit(make_plane(schedule="one-cycle", max_steps=20), callbacks=[watch])
    rates = [step[0] for step in watch.rates]
    assert 0 < rates.index(max(rates)) < 15
    assert rates[-1] < 0.05 * max(rates)


@pytest.mark.parametrize(
    ("length", "steps"),
    [
        ({"max_steps": 5, "max_epochs": -1}, 5),
        ({"max_steps": -1, "max_epochs": 2}, 4),
        ({"max_steps": 0, "max_epochs": 2}, 4),
        ({"max_steps": 3, "max_epochs": 9}, 3),
    ],
)
def test_training_ends_after_its_steps_or_epochs(
    length: dict[str, int], steps: int, make_plane: PlaneMaker, fit: Fit
) -> None:
    model = fit(make_plane(**length))
    assert model.trainer.global_step == steps


class Interrupt(Callback):
    """Ends training after two epochs as a signal would, with a checkpoint of that moment."""

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 1:
            trainer.save_checkpoint(self.checkpoint)
            trainer.should_stop = True


def interrupted(fit: Fit, model: Plane, folder: Path) -> Path:
    checkpoint = folder / "half.ckpt"
    fit(model, callbacks=[Interrupt(checkpoint)])
    assert model.trainer.global_step == 4
    return checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_resumed_epochs_end_where_uninterrupted_ones_do(
    schedule: str, make_plane: PlaneMaker, fit: Fit, tmp_path: Path
) -> None:
    length = {"max_steps": -1, "max_epochs": 3, "schedule": schedule}
    whole, half, watch = fit(make_plane(**length)), make_plane(**length), Watch()
    checkpoint = interrupted(fit, half, tmp_path)
    assert not same(whole, half)
    resumed = fit(make_plane(**length), callbacks=[watch], ckpt_path=checkpoint)
    assert watch.steps == [5, 6]
    assert same(whole, resumed)


def test_resumed_steps_go_on_with_weights_optimizer_and_schedule(
    make_plane: PlaneMaker, fit: Fit, tmp_path: Path
) -> None:
    """Not with the same draws: see `EpochSampler`."""
    whole, watch = Watch(), Watch()
    fit(make_plane(max_steps=6), callbacks=[whole])
    half = make_plane(max_steps=6)
    checkpoint = interrupted(fit, half, tmp_path)
    resumed = fit(make_plane(max_steps=6), callbacks=[watch], ckpt_path=checkpoint)
    assert all(torch.equal(v, watch.before[n]) for n, v in parameters(half).items())
    assert watch.steps == [5, 6]
    assert watch.rates == whole.rates[4:]
    state = resumed.trainer.optimizers[0].state
    assert {int(s["step"]) for s in state.values()} == {6}
    assert not same(half, resumed)


def test_checkpoint_knows_the_categories(make_plane: PlaneMaker, fit: Fit, tmp_path: Path) -> None:
    model = fit(make_plane())
    assert model.model.categories == ("bowl0", "cup1")
    checkpoint = tmp_path / "plane.ckpt"
    model.trainer.save_checkpoint(checkpoint)
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["plane_categories"] == ["bowl0", "cup1"]
    loaded = Plane.load_from_checkpoint(checkpoint, weights_only=True)
    assert loaded.model.categories == ("bowl0", "cup1")
    assert same(model, loaded)
    del saved["plane_categories"]
    with pytest.raises(ConfigurationError, match="not one of Plane"):
        make_plane().on_load_checkpoint(saved)


def test_geometry_channels_are_standardised_on_training_views(
    make_plane: PlaneMaker, fit: Fit
) -> None:
    watch = Watch()
    model = fit(make_plane(local_geometry=True, pose="none"), callbacks=[watch])
    features = torch.cat([batch.features for batch in watch.batches])
    scaled = (features - model.model.feature_mean) / model.model.feature_std
    assert scaled.mean(0).abs().max() < 1
    assert 0.3 < scaled.std(0).median() < 3


def test_training_on_images_is_refused(make_plane: PlaneMaker) -> None:
    from lightning.pytorch import LightningDataModule, Trainer

    trainer = Trainer(accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False)
    with pytest.raises(ConfigurationError, match="Plane needs point clouds, but the data are"):
        trainer.fit(make_plane(), datamodule=LightningDataModule())


@pytest.mark.parametrize("common", [True, False])
def test_pose_follows_the_dataset_and_is_kept_in_the_checkpoint(
    common: bool, make_plane: PlaneMaker, fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet

    monkeypatch.setattr(AnomalyShapeNet, "common_pose", common)
    model = fit(make_plane(pose="auto", rotation="auto"))
    assert model.model.pose == ("common" if common else "principal")
    view = model.train_transform(model.trainer.datamodule).view
    assert view.synthesis.rotation == ("none" if common else "so3")
    checkpoint = tmp_path / "plane.ckpt"
    model.trainer.save_checkpoint(checkpoint)
    loaded = Plane.load_from_checkpoint(checkpoint, weights_only=True)
    assert loaded.model.pose == model.model.pose
    batch = packed(surface(np.random.default_rng(), 99))
    assert torch.equal(loaded.score_batch(batch).anomaly_map, model.score_batch(batch).anomaly_map)


def test_frame_of_a_category_is_the_mean_over_its_training_clouds(
    make_plane: PlaneMaker, fit: Fit
) -> None:
    model = fit(make_plane(pose="common"))
    data = model.trainer.datamodule.train_data
    for index, category in enumerate(("bowl0", "cup1")):
        clouds = [data.untransformed(i) for i in range(len(data))]
        own = [item.points for item in clouds if item.category == category]
        centers = torch.stack([cloud.mean(0) for cloud in own])
        radii = [(cloud - cloud.mean(0)).norm(dim=1).max() for cloud in own]
        torch.testing.assert_close(model.model.frame_center[index], centers.mean(0))
        torch.testing.assert_close(model.model.frame_scale[index], torch.stack(radii).mean())


def test_clouds_that_the_transform_did_not_make_are_refused(make_plane: PlaneMaker) -> None:
    with pytest.raises(ConfigurationError, match="views that its own transform made"):
        make_plane().training_step(packed(surface(np.random.default_rng(), 64)))
