"""Training of a model that has steps, by anomalib's engine, so that it can be stopped and go on."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from anomalib.callbacks import ModelCheckpoint
from anomalib.engine import Engine
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything

from plane_anomalib.core.progress import Progress
from plane_anomalib.core.typed_data import TypedDataError, load_strict, to_plain, write_json
from plane_anomalib.data.clouds import sample_row
from plane_anomalib.data.datamodule import PointCloudDataModule
from plane_anomalib.data.dataset import CloudReader
from plane_anomalib.inspection.card import DetectorError
from plane_anomalib.inspection.quiet import quiet_lightning
from plane_anomalib.inspection.scans import GoodScan
from plane_anomalib.inspection.stopping import LAST, TrainingStoppedError
from plane_anomalib.inspection.training_plan import TrainingPlan

_PLAN_FILE = "order.json"


class GoodScanFiles(PointCloudDataModule):
    """The files of good scans as training data, some held out for synthetic validation.

    Args:
        scans: Good scans.
        plan: What is learnt.
    """

    def __init__(self, scans: Sequence[GoodScan], plan: TrainingPlan) -> None:
        super().__init__(Path(scans[0].card.path).parent, seed=plan.seed)
        self._files = [Path(scan.card.path) for scan in scans]
        self._part = plan.category
        self.common_pose = plan.common_pose
        self.one_sided_tests = plan.one_sided

    @property
    def name(self) -> str:
        """What the folder of a run is called."""
        return "scans"

    def _reader(self) -> CloudReader:
        return CloudReader(point_truth=False)

    def _scan(self) -> pd.DataFrame:
        rows = [
            sample_row(file, split="train", category=self._part, defect="good")
            for file in self._files
        ]
        samples = pd.DataFrame(rows)
        samples.attrs["task"] = "classification"
        return samples


def train(
    plan: TrainingPlan,
    scans: Sequence[GoodScan],
    unfinished: Path,
    progress: Progress,
    *,
    resume: bool,
) -> tuple[Any, str]:
    """Train, and find thresholds on held-out scans at the end.

    Args:
        plan: What is learnt.
        scans: Good scans.
        unfinished: Where checkpoints go; whoever calls this removes it when all is done.
        progress: Is told after each step.
        resume: Go on from the checkpoint there.

    Returns:
        The trained Lightning model, and in words what its thresholds were found on.

    Raises:
        TrainingStoppedError: Ctrl-C was pressed.
        DetectorError: There is nothing to go on from, or it is of another plan.
    """
    last = unfinished / LAST
    if resume:
        _check_resumable(plan, unfinished)
    else:
        shutil.rmtree(unfinished, ignore_errors=True)
    seed_everything(plan.seed, workers=True, verbose=False)
    model, data = plan.make(), GoodScanFiles(scans, plan)
    _keep_plan(plan, unfinished)
    engine = _engine(unfinished, progress)
    _fit(engine, model, data, last if resume else None, unfinished)
    val = data.val_data.samples
    good, defects = int((val.label_index == 0).sum()), int((val.label_index == 1).sum())
    held = val.image_path.nunique()
    where = f"{held} scan{'s' if held > 1 else ''} held out of the training"
    if len(scans) == 1:
        where = "the only scan, on which it was trained as well"
    return model.cpu(), f"{good} draws and {defects} synthetic defects of {where}"


def _engine(unfinished: Path, progress: Progress) -> Engine:
    keeper = ModelCheckpoint(
        dirpath=unfinished,
        filename=Path(LAST).stem,
        auto_insert_metric_name=False,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return Engine(
        callbacks=[keeper, _Steps(progress)],
        default_root_dir=unfinished / "runs",
        logger=False,
        devices=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _fit(
    engine: Engine, model: Any, data: GoodScanFiles, last: Path | None, unfinished: Path
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    try:
        with quiet_lightning():
            engine.fit(model, datamodule=data, ckpt_path=last)
    except (KeyboardInterrupt, SystemExit) as error:
        # Lightning turns Ctrl-C into an exit and stops listening to it.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        kept = (unfinished / LAST).is_file()
        if not kept:
            shutil.rmtree(unfinished, ignore_errors=True)
        raise TrainingStoppedError(unfinished if kept else None) from error


def _signature(plan: TrainingPlan) -> Any:
    plain = to_plain(plan)
    return {key: value for key, value in plain.items() if key not in ("choices", "units")}


def _keep_plan(plan: TrainingPlan, unfinished: Path) -> None:
    write_json(unfinished / _PLAN_FILE, _signature(plan))


def _check_resumable(plan: TrainingPlan, unfinished: Path) -> None:
    if not (unfinished / LAST).is_file():
        raise DetectorError(f"{unfinished / LAST} is not there: leave out --resume to begin anew.")
    try:
        before = load_strict((unfinished / _PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TypedDataError) as error:
        raise DetectorError(
            f"{unfinished / _PLAN_FILE}: cannot be read ({error}); leave out --resume."
        ) from error
    now = _signature(plan)
    different = [key for key in now if not isinstance(before, dict) or before.get(key) != now[key]]
    if different:
        names = ", ".join("good scans" if key == "data_hash" else key for key in different)
        raise DetectorError(
            f"{unfinished}: its training began with other {names}: repeat that command with "
            "--resume, or leave out --resume to begin anew."
        )


class _Steps(Callback):
    """Tells how far a training is."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del pl_module
        total = trainer.estimated_stepping_batches
        done = trainer.global_step
        self._progress.start("Training", int(total) - done if total < 1e12 else 0)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        del trainer, pl_module, args, kwargs
        self._progress.advance()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del pl_module
        if not trainer.sanity_checking:
            batches = trainer.num_val_batches
            self._progress.start("Finding thresholds", int(sum(batches)))

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        del pl_module, args, kwargs
        if not trainer.sanity_checking:
            self._progress.advance()
