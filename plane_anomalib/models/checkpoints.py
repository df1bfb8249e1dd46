"""A checkpoint after every epoch, so that an interrupted training can go on."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class EpochCheckpoint(ModelCheckpoint):
    """Writes `weights/lightning/last_epoch.ckpt` of the run directory.

    anomalib's own checkpoint follows validation, and validation comes once, at the end.
    """

    def __init__(self) -> None:
        super().__init__(
            filename="last_epoch", auto_insert_metric_name=False, save_on_train_epoch_end=True
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the run directory, which is not known before."""
        self.dirpath = str(Path(trainer.default_root_dir) / "weights" / "lightning")
        super().setup(trainer, pl_module, stage)
