import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from anomalib.visualization import Visualizer
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from plyfile import PlyData
from torch.utils.data import DataLoader

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.data.point_cloud import PointCloudBatch, PointCloudItem
from plane_anomalib.models.lightning.visualizer import PointCloudVisualizer


class HeightScorer(LightningModule):
    """Scores a point by its height, as a model's step does: into the batch."""

    def test_step(self, batch: PointCloudBatch) -> PointCloudBatch:
        heights = batch.points[:, 2]
        best = [part.max() for part in batch.split(heights)]
        batch.update(
            anomaly_map=heights,
            pred_score=torch.stack(best),
            pred_mask=heights > 0.9,
            pred_label=torch.stack(best) > 0.9,
        )
        return batch

    predict_step = test_step


def loader(paths: list[str], *, labelled: bool = True) -> DataLoader:
    generator = torch.Generator().manual_seed(torch.initial_seed() % 2**31)
    items = []
    for number, path in enumerate(paths):
        points = torch.rand(200 + 10 * number, 3, generator=generator)
        truth = points[:, 2] > 0.8 if labelled else None
        item = PointCloudItem(
            points=points,
            gt_mask=truth,
            gt_label=None if truth is None else truth.any(),
            category=Path(path).parts[2],
            path=path,
            defect="hole",
        )
        items.append(item)
    return DataLoader(items, batch_size=2, collate_fn=PointCloudBatch.collate)


PATHS = ["/d/bowl/hole/0.pcd", "/d/bowl/bulge/0.pcd", "/d/cup/hole/0.pcd", "/d/cup/hole/<b>.pcd"]


def trainer(folder: Path, visualizer: Visualizer) -> Trainer:
    return Trainer(
        default_root_dir=folder,
        callbacks=[visualizer],
        logger=False,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )


def test_a_test_run_leaves_pictures_and_a_page(tmp_path: Path) -> None:
    visualizer = PointCloudVisualizer(max_clouds=3)
    trainer(tmp_path, visualizer).test(HeightScorer(), loader(PATHS), verbose=False)
    pictures = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("images/*/*.png"))
    assert len(pictures) == 3
    assert pictures[:2] == ["images/bowl/bulge_0.png", "images/bowl/hole_0.png"]
    assert Image.open(tmp_path / "overview.png").size[0] >= 3 * 100
    assert "HeightScorer, tested" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not list(tmp_path.rglob(".*"))


def test_a_prediction_scores_every_point_of_every_cloud_in_order(tmp_path: Path) -> None:
    visualizer = PointCloudVisualizer(max_clouds=1, max_points=50)
    clouds = loader(PATHS, labelled=False)
    trainer(tmp_path, visualizer).predict(HeightScorer(), clouds, return_predictions=False)
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == PATHS
    for row, item in zip(rows, clouds.dataset, strict=True):
        vertices = PlyData.read(tmp_path / row["scores_file"])["vertex"]
        assert np.array_equal(np.column_stack([vertices[k] for k in "xyz"]), item.points.numpy())
        assert np.array_equal(vertices["score"], item.points[:, 2].numpy())
        assert float(row["score"]) == float(item.points[:, 2].max())
        assert row["label"] == ("anomalous" if float(row["score"]) > 0.9 else "normal")
        assert len({tuple(vertices[c][:]) for c in ("red", "blue")}) > 1
    assert len({row["scores_file"] for row in rows}) == 4
    assert not list(tmp_path.rglob(".*"))


def test_without_pictures_a_prediction_still_writes_its_scores(tmp_path: Path) -> None:
    visualizer = PointCloudVisualizer(max_clouds=0)
    clouds = loader(PATHS, labelled=False)
    trainer(tmp_path, visualizer).predict(HeightScorer(), clouds, return_predictions=False)
    assert len(list(tmp_path.rglob("*_scores.ply"))) == 4
    assert not list(tmp_path.rglob("*.png"))


def test_a_second_run_forgets_the_first(tmp_path: Path) -> None:
    visualizer = PointCloudVisualizer()
    for folder, paths in (("one", PATHS), ("two", PATHS[:1])):
        trainer(tmp_path / folder, visualizer).test(HeightScorer(), loader(paths), verbose=False)
    assert len(list((tmp_path / "two").rglob("images/*/*.png"))) == 1


@pytest.mark.parametrize("wrong", [{"max_clouds": -1}, {"max_points": 0}, {"up": "w"}])
def test_impossible_arguments_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigurationError):
        PointCloudVisualizer(**wrong)
