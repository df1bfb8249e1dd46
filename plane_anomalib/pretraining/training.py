"""A pretraining run: its loop, which can be stopped and go on, and the way to the weights."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor

from plane_anomalib.backbones.encoder_files import load_point_language_model
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.core.errors import WeightsError
from plane_anomalib.pretraining.batches import make_batch
from plane_anomalib.pretraining.config import PretrainConfig
from plane_anomalib.pretraining.evaluation import HeldOut, evaluate, held_out_shapes
from plane_anomalib.pretraining.losses import Texts, compute, prepare_texts, weighted
from plane_anomalib.pretraining.model import (
    Heads,
    WeightAverage,
    create_model,
    create_optimizer,
    learning_rate,
    update,
)
from plane_anomalib.pretraining.plans import StepPlan, device_generator, plan_step
from plane_anomalib.pretraining.pool import ShapePool, training_pool
from plane_anomalib.pretraining.run_folder import (
    PretrainingState,
    TrainingLog,
    export,
    load_checkpoint,
    save_checkpoint,
)

logger = logging.getLogger(__name__)

_TIMED_FROM = 60
"""The first steps are slower: memory is asked for and kernels are loaded."""
_TIMED_TO = 160
_RESERVE = 20.0
"""Seconds kept for the evaluation and the export when the time is given."""
_SAFETY = 0.96


@dataclass(frozen=True)
class PreparedStep:
    """What a step does, on the host.

    Args:
        step: Its number.
        plan: Its clouds and words.
        texts: The words as tensors.
        shapes: (B,) int64, index of each cloud's shape.
    """

    step: int
    plan: StepPlan
    texts: Texts
    shapes: Tensor


class _SessionClock:
    """The time that one session of a run takes.

    Args:
        before: Where the run stood when the session began.
    """

    def __init__(self, before: PretrainingState) -> None:
        self.before = before
        self.began = self.now = self.saved = self.timed = time.monotonic()

    def after_step(self, state: PretrainingState) -> PretrainingState:
        """Where the run stands after one step more."""
        self.now = time.monotonic()
        seconds = self.before.seconds + self.now - self.began
        return replace(state, step=state.step + 1, seconds=seconds)

    def left(self, state: PretrainingState) -> float:
        """Seconds until the last step, at the speed so far."""
        per_step = (self.now - self.began) / (state.step - self.before.step)
        return per_step * (state.steps - state.step)


class PretrainingRun:
    """A run that can be stopped and go on.

    Args:
        config: What it does.
        folder: Where its checkpoint and its log lie.
        device: Where it computes.
        began: `time.monotonic()` from which `train.minutes` counts.
    """

    def __init__(
        self, config: PretrainConfig, folder: Path, device: torch.device, began: float | None = None
    ) -> None:
        self.config, self.folder, self.device = config, folder, device
        self.began = time.monotonic() if began is None else began
        seed = config.train.seed
        self.model = create_model(config.model, seed).to(device)
        points = self.model.points.config
        heads = Heads(config.model, points, self.model.joint_dim, config.losses, seed)
        self.heads = heads.to(device)
        modules = {"model": self.model, "heads": self.heads}
        self.optimizer = create_optimizer(modules, config.train)
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.average = WeightAverage(self.model, config.train.ema)
        self.progress = PretrainingState(0, config.train.steps, 0.0)
        self._stop = False

    def start(self, model: PointLanguageModel) -> None:
        """Begin with the weights of another model.

        Raises:
            WeightsError: It has another shape.
        """
        if (model.points.config, model.text.config) != (
            self.model.points.config,
            self.model.text.config,
        ):
            raise WeightsError("The weights to start from are of another shape than the recipe's.")
        self.model.load_state_dict(model.state_dict())
        self.average = WeightAverage(self.model, self.config.train.ema)

    def resume(self) -> None:
        """Go on from the folder's checkpoint.

        Raises:
            WeightsError: There is none that fits.
        """
        self.progress, states = load_checkpoint(self.folder, self.config)
        self.model.load_state_dict(states["model"])
        self.heads.load_state_dict(states["heads"])
        self.optimizer.load_state_dict(states["optimizer"])
        for value, stored in zip(self.average.values, states["average"], strict=True):
            value.copy_(stored)

    def announce(self, pool: ShapePool) -> None:
        """Say what is about to be trained on what."""
        logger.info(
            "%d shapes of %d families, %.1f M parameters, %s, from step %d",
            len(pool), len(set(pool.families)),
            sum(p.numel() for p in self.model.parameters()) / 1e6, self.device, self.progress.step,
        )  # fmt: skip

    def save(self) -> Path:
        """Write a checkpoint."""
        states = {
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.values,
        }
        return save_checkpoint(self.folder, self.config, self.progress, states)

    def train(self, pool: ShapePool, shapes: HeldOut | None = None) -> bool:
        """Train until the last step, the end of the time, or an interruption.

        Args:
            pool: On the device.
            shapes: Evaluated on in between, if the configuration says so.

        Returns:
            Whether it is finished.
        """
        train = self.config.train
        log = TrainingLog(self.folder / "log.csv", train.log_every, logger.info)
        clock = _SessionClock(self.progress)
        # The next step's words are put together while the device works at this one.
        with self._interruptions(), ThreadPoolExecutor(1) as ahead:
            ready = ahead.submit(self.prepare, pool, self.progress.step)
            while self.progress.step < self.progress.steps and not self._stop:
                rate = learning_rate(train, self.progress.step, self.progress.steps)
                prepared = ready.result()
                ready = ahead.submit(self.prepare, pool, prepared.step + 1)
                log.add(self.step(pool, prepared, rate))
                self.progress = clock.after_step(self.progress)
                if log.due(self.progress.step):
                    log.report(self.progress, rate, clock.left(self.progress))
                if train.minutes is not None and self._time_is_up(clock, train.minutes):
                    break
                if (
                    train.evaluate_every
                    and self.progress.step % train.evaluate_every == 0
                    and shapes
                ):
                    self.evaluate(shapes)
                if clock.now - clock.saved > 60 * train.checkpoint_minutes:
                    self.save()
                    clock.saved = time.monotonic()
        return not self._stop

    def _time_is_up(self, clock: _SessionClock, minutes: float) -> bool:
        """Whether to end now; fits the number of steps to the time once their speed is known."""
        step, before = self.progress.step, clock.before.step
        if step - before == _TIMED_FROM:
            clock.timed = self._synchronised()
        if step == _TIMED_TO and not before:
            self._fit_steps((self._synchronised() - clock.timed) / (step - _TIMED_FROM), minutes)
        if clock.now - self.began <= 60 * minutes - _RESERVE:
            return False
        logger.info("The time is up: %d steps are done.", step)
        return True

    def prepare(self, pool: ShapePool, step: int) -> PreparedStep:
        """Decide what a step does, on the host alone.

        Args:
            pool: Its words.
            step: Number of the step, which with the seed decides everything in it.
        """
        plan = plan_step(self.config, pool.names, pool.captions, step)
        pinned = self.device.type == "cuda"
        texts = prepare_texts(self.model, plan, self.config.losses, pinned=pinned)
        shapes = torch.from_numpy(plan.shapes)
        return PreparedStep(step, plan, texts, shapes.pin_memory() if pinned else shapes)

    def step(self, pool: ShapePool, prepared: PreparedStep, rate: float) -> dict[str, Tensor]:
        """Do one step.

        Args:
            pool: On the device.
            prepared: What to do.
            rate: Learning rate.

        Returns:
            Losses, their sum and the norm of the gradient, on the device.
        """
        config, device, plan, step = self.config, self.device, prepared.plan, prepared.step
        generator = device_generator(config.train.seed, step, device)
        batch = make_batch(
            pool,
            prepared.shapes.to(device, non_blocking=True),
            plan.kinds,
            (plan.points, plan.groups),
            self.model.points.config.group_size,
            (config.views, config.defects),
            generator,
        )
        texts = prepared.texts.to(device)
        low, high = config.losses.visible
        visible = low + (high - low) * float(
            np.random.default_rng([config.train.seed, 13, step]).random()
        )
        found = compute(self.model, self.heads, batch, texts, config.losses, visible, generator)
        total = weighted(found, config.losses)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        norm = update(self.optimizer, self.parameters, total, config.train.clip)
        self.average.update(step)
        return {**found, "total": total, "gradient": norm}

    def evaluate(self, shapes: HeldOut) -> dict[str, float]:
        """Measure on held-out shapes, with averaged weights if there are any."""
        with self.average.applied():
            metrics = evaluate(self.model, self.heads, shapes, self.config)
        words = "  ".join(f"{name} {value:.3f}" for name, value in metrics.items())
        logger.info("held out after %d steps: %s", self.progress.step, words)
        return metrics

    def _fit_steps(self, seconds: float, minutes: float) -> None:
        """Set the number of steps by the time that is left and what a step takes."""
        left = 60 * minutes - _RESERVE - (time.monotonic() - self.began)
        steps = self.progress.step + max(1, int(_SAFETY * left / seconds))
        self.progress = replace(self.progress, steps=steps)
        logger.info(
            "%.0f ms per step: %d steps fit in. The same run again: --steps %d",
            1000 * seconds, steps, steps,
        )  # fmt: skip

    def _synchronised(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.monotonic()

    @contextmanager
    def _interruptions(self) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM end the run after the step that is under way."""

        def stop(number: int, frame: FrameType | None) -> None:
            self._stop = True

        before = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, stop)
        except ValueError:  # Not in the main thread, where nothing can be interrupted.
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass(frozen=True)
class PretrainingResult:
    """What a run came to.

    Args:
        finished: Whether all steps were done; else it can go on.
        steps: Steps done.
        metrics: On held-out shapes, if finished.
        file: The weights, if finished.
    """

    finished: bool
    steps: int
    metrics: dict[str, float]
    file: Path | None


def pretrain(
    config: PretrainConfig,
    out: Path,
    folder: Path,
    device: torch.device,
    *,
    resume: bool = False,
    start: Path | None = None,
    commit: str | None = None,
) -> PretrainingResult:
    """Make the weights, from nothing or from a checkpoint on.

    Args:
        config: The recipe.
        out: The file to write at the end.
        folder: For the checkpoint and the log.
        device: Where to compute.
        resume: Whether to go on from the folder's checkpoint.
        start: Weights of a finished run to begin with instead of random ones.
        commit: Of the code, where git cannot say.

    Raises:
        WeightsError: There is no checkpoint that fits, or `start` has another shape.
    """
    began = time.monotonic()
    # Workers are started before the device is touched, and a wrong checkpoint is told at once.
    if resume:
        load_checkpoint(folder, config)
    first = load_point_language_model(start) if start is not None else None
    pool = training_pool(config.pool, config.train.seed)
    shapes = held_out_shapes(config)
    run = PretrainingRun(config, folder, device, began)
    if first is not None:
        run.start(first)
    if resume:
        run.resume()
    run.announce(pool)
    return _carried_out(run, pool, shapes, out, commit, start)


def _carried_out(
    run: PretrainingRun,
    pool: ShapePool,
    shapes: HeldOut,
    out: Path,
    commit: str | None,
    start: Path | None,
) -> PretrainingResult:
    """Train, and evaluate and export if that came to its end."""
    shapes = shapes.to(run.device)
    finished = run.train(pool.to(run.device), shapes)
    run.save()
    if not finished:
        return PretrainingResult(False, run.progress.step, {}, None)
    metrics = run.evaluate(shapes)
    with run.average.applied():
        export(
            run.model, out, run.config, run.progress, run.device, len(pool), metrics, commit, start
        )
    return PretrainingResult(True, run.progress.step, metrics, out)
