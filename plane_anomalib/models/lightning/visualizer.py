"""The callback that turns a test or prediction run into pictures and an interactive page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from anomalib.visualization import Visualizer
from numpy.typing import NDArray
from torch import Tensor

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.files import safe_name
from plane_anomalib.data.point_cloud import PointCloudBatch
from plane_anomalib.web.colours import ScoreScale
from plane_anomalib.web.gallery import Gallery, ScoreFiles
from plane_anomalib.web.pictures import (
    cloud_picture,
    contact_sheet,
    save_png,
    what_matters,
)
from plane_anomalib.web.run_report import MetricTable, write_report
from plane_anomalib.web.shown_cloud import ShownCloud, best_rotation

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class PointCloudVisualizer(Visualizer):
    """Shows the clouds of a run, in bounded memory, time and disk.

    A test writes `images/<category>/<stem>.png`, `overview.png` and `report.html` into the run
    directory. A prediction writes the same, and for every cloud
    `predictions/<category>/<stem>_scores.ply` (points, score, colour) and a row of
    `predictions.csv`. With several processes, the first one shows its share of the clouds.

    Args:
        max_clouds: The most clouds to draw, chosen evenly over categories and labels. With 0
            nothing is drawn; a prediction still writes its scores.
        max_points: The most points to draw of one cloud.
        up: The objects' axis that points up in pictures, "x", "y" or "z".
        output_dir: Where to write; the run directory (`trainer.default_root_dir`) if left out.

    Raises:
        ConfigurationError: For a negative count or an unknown axis.
    """

    def __init__(
        self,
        max_clouds: int = 48,
        max_points: int = 12_000,
        up: str = "z",
        output_dir: str | Path | None = None,
    ) -> None:
        super().__init__()
        if max_clouds < 0 or max_points < 1:
            msg = f"max_clouds >= 0 and max_points >= 1 are needed, not {max_clouds}, {max_points}."
            raise ConfigurationError(msg)
        if up not in ("x", "y", "z"):
            msg = f'up must be "x", "y" or "z", not {up!r}.'
            raise ConfigurationError(msg)
        self.max_clouds = max_clouds
        self.max_points = max_points
        self.up = up
        self.output_dir = output_dir
        self._gallery = Gallery(max_clouds, max_points)
        self._files: ScoreFiles | None = None

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier run."""
        del trainer, pl_module
        self._gallery = Gallery(self.max_clouds, self.max_points)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep small copies of some clouds."""
        del pl_module, outputs, batch_idx, dataloader_idx
        if trainer.is_global_zero:
            for cloud in shown_clouds(batch):
                self._gallery.add(cloud)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the pictures and the page; metrics are complete by now."""
        if trainer.is_global_zero:
            result = getattr(getattr(pl_module, "evaluator", None), "result", None)
            table = None if result is None else MetricTable.from_result(result)
            self._draw(trainer, pl_module, "tested", table)
        self._gallery = Gallery(self.max_clouds, self.max_points)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier run and make room for the scores."""
        del pl_module
        self._gallery = Gallery(self.max_clouds, self.max_points)
        self._files = ScoreFiles(self._folder(trainer)) if trainer.is_global_zero else None

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Put all scores aside and keep small copies of some clouds."""
        del trainer, pl_module, batch_idx, dataloader_idx
        if self._files is None:
            return
        for cloud in shown_clouds(outputs if isinstance(outputs, PointCloudBatch) else batch):
            number = self._gallery.add(cloud)
            self._files.add(number, cloud.points, cloud.scores)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write every cloud's scores, the pictures and the page."""
        if self._files is not None:
            scale = self._scale(pl_module)
            table = self._files.finish(self._gallery.records, self._gallery.names(), scale)
            trainer.print(f"Scores of {len(self._gallery.records)} clouds: {table}")
            self._draw(trainer, pl_module, "predicted", None)
        self._files = None
        self._gallery = Gallery(self.max_clouds, self.max_points)

    def _folder(self, trainer: Trainer) -> Path:
        return Path(self.output_dir or trainer.default_root_dir)

    def _scale(self, pl_module: LightningModule) -> ScoreScale:
        return self._gallery.scale(_threshold(pl_module, "pixel_threshold"))

    def _draw(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        done: str,
        metrics: MetricTable | None,
    ) -> None:
        folder, scale = self._folder(trainer), self._scale(pl_module)
        clouds = [
            replace(cloud, rotation=best_rotation(cloud, what_matters(cloud, scale), self.up))
            for cloud in self._gallery.clouds()
        ]
        if not clouds:
            return
        for cloud in clouds:
            place = folder / "images" / safe_name(cloud.category or "all") / f"{cloud.name}.png"
            save_png(cloud_picture(cloud, scale), place)
        title = _run_title(trainer, pl_module, done)
        count = len(self._gallery.records)
        some = f"{len(clouds)} of {count} clouds" if len(clouds) < count else f"all {count} clouds"
        sheet = contact_sheet(clouds, scale, title=f"{title}: {some}")
        overview = save_png(sheet, folder / "overview.png")
        report = write_report(
            folder / "report.html",
            clouds,
            scale,
            title=title,
            subtitle=some,
            metrics=metrics,
            records=self._gallery.records,
            object_threshold=self._gallery.object_threshold(
                _threshold(pl_module, "image_threshold")
            ),
            max_points=self.max_points,
        )
        trainer.print(f"Pictures: {overview}\nInteractive report: {report}")


def shown_clouds(batch: PointCloudBatch) -> Iterator[ShownCloud]:
    """Give the clouds of a packed batch one by one, all points, on the processor.

    Args:
        batch: A batch after the model's step.

    Yields:
        One cloud each; what the batch does not know is `None`.
    """
    for item in batch.items:
        yield ShownCloud(
            name=Path(item.path).stem,
            points=_array(item.points, np.float32),
            category=item.category,
            defect=item.defect,
            path=item.path,
            scores=None if item.anomaly_map is None else _array(item.anomaly_map, np.float32),
            truth=None if item.gt_mask is None else _array(item.gt_mask, np.bool_),
            predicted=None if item.pred_mask is None else _array(item.pred_mask, np.bool_),
            score=None if item.pred_score is None else float(item.pred_score),
            anomalous=None if item.gt_label is None else bool(item.gt_label),
            called_anomalous=None if item.pred_label is None else bool(item.pred_label),
            num_points=len(item.points),
        )


def _array(values: Tensor, kind: type[np.generic]) -> NDArray[Any]:
    return values.detach().cpu().numpy().astype(kind, copy=False)


def _threshold(pl_module: LightningModule, name: str) -> float | None:
    """A threshold of the post-processor, where it has one."""
    post_processor = getattr(pl_module, "post_processor", None)
    value = getattr(post_processor, name, None)
    return float(value) if value is not None and np.isfinite(float(value)) else None


def _run_title(trainer: Trainer, pl_module: LightningModule, done: str) -> str:
    datamodule = getattr(trainer, "datamodule", None)
    where = f" on {type(datamodule).__name__}" if datamodule is not None else ""
    return f"{type(pl_module).__name__}{where}, {done}"
