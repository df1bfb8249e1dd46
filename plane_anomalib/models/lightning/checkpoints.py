"""A checkpoint after every epoch, so that an interrupted training can go on."""

from __future__ import annotations

from anomalib.callbacks import ModelCheckpoint
from lightning.pytorch import Trainer


def checkpoint_every_epoch(trainer: Trainer) -> list[ModelCheckpoint]:
    """What replaces the checkpoint callback that anomalib's engine adds.

    The engine's waits for validation, which comes once, at the end, or never. Lightning puts a
    model's callback in the place of the trainer's of the same class; one that a user configured
    stays.

    Args:
        trainer: The run's.
    """
    return [
        ModelCheckpoint(
            dirpath=callback.dirpath,
            filename=callback.filename,
            auto_insert_metric_name=False,
            save_on_train_epoch_end=True,
        )
        for callback in trainer.checkpoint_callbacks
        if type(callback) is ModelCheckpoint
        and callback.monitor is None
        and callback._save_on_train_epoch_end is None
    ]
