from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from sklearn.metrics import roc_auc_score

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.progress import Progress
from plane_anomalib.data.anomaly_shapenet import AnomalyShapeNet
from plane_anomalib.data.dataset import PointCloudDataset
from plane_anomalib.data.real3d_ad import Real3DAD
from plane_anomalib.formats.writer import write_points
from plane_anomalib.generation.defects.mixture import create_synthesis
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.models.plane.lightning_model import ItemView
from plane_anomalib.models.plane.template_context import CONTEXT_CHANNELS, TemplateContext
from plane_anomalib.models.plane.training import TrainingView
from plane_anomalib.plugins.contract.model_under_test import packed
from tests.support.small_plane import small_inputs
from tests.support.watch import Watch, finite
from tests.unit.models.plane.conftest import Fit, PlaneMaker
from tests.unit.models.template_residual.shapes import lump, with_bump


def tree(root: Path, templates: int = 3, bumped: int | None = None) -> Path:
    """Two categories of lumps; one template of the first may have a bump."""
    generator = np.random.default_rng(0)
    for category in ("cup0", "vase0"):
        for k in range(templates):
            cloud = lump(generator, 900)
            if k == bumped and category == "cup0":
                cloud = with_bump(cloud)[0]
            write_points(root / category / "train" / f"{category}_template{k}.pcd", cloud)
        bad, mask = with_bump(lump(generator, 900))
        write_points(root / category / "test" / f"{category}_positive0.pcd", lump(generator, 900))
        write_points(root / category / "test" / f"{category}_bulge0.pcd", bad)
        write_points(root / category / "GT" / f"{category}_bulge0.txt", bad, labels=mask)
    return root


def training_data(root: Path) -> PointCloudDataset:
    data = AnomalyShapeNet(root=root, val_split_mode="none")
    data.setup()
    return data.train_data


def named(data: PointCloudDataset) -> Iterator[tuple[str, dict[str, FloatArray]]]:
    """Each category with its training clouds by path."""
    for category, items in data.by_category():
        yield category, {item.path: item.points.numpy() for item in items}


@pytest.mark.slow
def test_a_rehearsal_knows_the_other_specimens_only(tmp_path: Path) -> None:
    data = training_data(tree(tmp_path, bumped=1))
    context = TemplateContext()
    rehearsals = context.fit(named(data), Progress())
    assert sorted(rehearsals) == sorted(data.samples["image_path"])
    bumped = next(path for path in rehearsals if path.endswith("cup0_template1.pcd"))
    index = data.samples["image_path"].tolist().index(bumped)
    cloud = data.untransformed(index).points.numpy()
    alone = rehearsals[bumped].detector.context(cloud).channels[:, 0].max()
    assert alone > context.measured(cloud, "cup0").channels[:, 0].max() + 0.5


@pytest.mark.slow
def test_specimens_in_any_pose_are_laid_on_the_others_before_they_are_measured(
    tmp_path: Path,
) -> None:
    generator = np.random.default_rng(4)
    for k in range(3):
        turn = Rotation.random(random_state=k).as_matrix()
        cloud = np.asarray(30 * lump(generator, 1500) @ turn.T + [5, 6, 7], np.float32)
        write_points(tmp_path / "duck" / "train" / f"{k}_template.pcd", cloud)
    write_points(tmp_path / "duck" / "test" / "9_good.pcd", cloud)
    data = Real3DAD(root=tmp_path, val_split_mode="none")
    data.setup()
    for rehearsal in TemplateContext().fit(named(data.train_data), Progress()).values():
        assert not bool(rehearsal.detector.posed)
        measured = rehearsal.detector.context(rehearsal.cloud, in_place=True).channels
        assert np.sinh(np.median(measured[:, 0])) < 3


def test_a_single_specimen_is_measured_against_half_of_itself(tmp_path: Path) -> None:
    data = training_data(tree(tmp_path, templates=1))
    rehearsals = TemplateContext().fit(named(data), Progress())
    cloud = data.untransformed(0).points.numpy()
    found = rehearsals[data.samples["image_path"][0]].detector.context(cloud).channels
    assert np.sinh(np.median(found[:, 0])) < 3
    bumped, moved = with_bump(cloud)
    found = rehearsals[data.samples["image_path"][0]].detector.context(bumped).channels
    assert roc_auc_score(moved, found[:, 0]) > 0.85


@pytest.mark.slow
def test_channels_survive_saving(tmp_path: Path) -> None:
    context = TemplateContext()
    context.fit(named(training_data(tree(tmp_path))), Progress())
    file = io.BytesIO()
    torch.save(context.state_dict(), file)
    file.seek(0)
    loaded = TemplateContext()
    loaded.load_state_dict(torch.load(file, weights_only=True))
    cloud = lump(np.random.default_rng(1), 500)
    np.testing.assert_array_equal(
        loaded.measured(cloud, "vase0").channels, context.measured(cloud, "vase0").channels
    )


@pytest.mark.slow
def test_a_cloud_of_an_unknown_category_is_measured_as_what_it_resembles(tmp_path: Path) -> None:
    context = TemplateContext()
    with pytest.raises(ConfigurationError, match="train it first"):
        context.measured(np.zeros((5, 3), np.float32), "cup0")
    root = tree(tmp_path)
    generator = np.random.default_rng(2)
    for k in range(3):
        sphere = generator.normal(size=(900, 3))
        sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
        write_points(root / "vase0" / "train" / f"vase0_template{k}.pcd", sphere)
    context.fit(named(training_data(root)), Progress())
    cloud = lump(generator, 500)
    np.testing.assert_array_equal(
        context.measured(cloud, "").channels, context.measured(cloud, "cup0").channels
    )


@pytest.mark.slow
@pytest.mark.parametrize("rotation", ["none", "so3"])
def test_a_training_view_measures_before_it_turns(tmp_path: Path, rotation: str) -> None:
    data = training_data(tree(tmp_path))
    inputs = small_inputs(template_context=True, num_points=256, pose="none")
    transform = ItemView(
        TrainingView(
            inputs,
            create_synthesis("none", rotation="none"),
            rehearsals=TemplateContext().fit(named(data), Progress()),
            rotation=rotation,  # type: ignore[arg-type]
        )
    )
    view = transform(data.untransformed(0), np.random.default_rng(3))
    assert view.features is not None
    assert view.features.shape == (256, CONTEXT_CHANNELS)
    # Loader workers may be processes of their own.
    again = pickle.loads(pickle.dumps(transform))  # noqa: S301 - our own bytes
    torch.testing.assert_close(
        again(data.untransformed(0), np.random.default_rng(3)).features, view.features
    )
    # A normal specimen, measured in its pose, deviates little, wherever it is turned to.
    assert np.sinh(view.features[:, 0].median().item()) < 3


@pytest.mark.slow
def test_it_trains_saves_and_scores_as_before(
    make_plane: PlaneMaker, fit: Fit, tmp_path: Path
) -> None:
    watch = Watch()
    root = tree(tmp_path / "data")
    arguments = {"template_context": True, "max_steps": 3, "rotation": "none"}
    model = fit(
        make_plane(**arguments),
        data={"root": root},
        callbacks=[watch],
        enable_checkpointing=True,
    )
    assert finite(watch.losses)
    model.trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = type(model).load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    bad, _ = with_bump(lump(np.random.default_rng(5), 700))
    for category in ("cup0", "unheard_of"):
        batch = packed(bad)
        batch.category = [category]
        before, after = model.eval().score_batch(batch), loaded.eval().score_batch(batch)
        assert before.anomaly_map.isfinite().all()
        torch.testing.assert_close(before.anomaly_map, after.anomaly_map)


@pytest.mark.slow
def test_the_object_score_weighs_deviations_by_their_probability(
    make_plane: PlaneMaker, fit: Fit, tmp_path: Path
) -> None:
    arguments = {"template_context": True, "max_steps": 3, "rotation": "none"}
    model = fit(make_plane(**arguments), data={"root": tree(tmp_path)}).eval()
    bad, _ = with_bump(lump(np.random.default_rng(), 700))
    batch = packed(bad)
    batch.category = ["cup0"]
    found = model.score_batch(batch)
    context = model.model.template_context
    deviation = context.detectors[context.categories.index("cup0")](bad).anomaly_map
    weighed = np.sort(found.anomaly_map.numpy() * deviation)[-10:].mean()
    assert found.pred_score.item() == pytest.approx(weighed, rel=1e-4)
