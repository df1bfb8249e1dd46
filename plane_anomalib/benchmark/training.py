"""One job's training and test, what `anomalib train` does on the same arguments, in Python.

Callbacks take what a report wants beside the numbers while the test runs: what scoring costs, and
the best and the worst clouds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from anomalib.engine import Engine
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.types import STEP_OUTPUT
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from plane_anomalib.benchmark.schema import Cost, Job, SavedCloud
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.core.files import replaced
from plane_anomalib.core.provenance import relative_path
from plane_anomalib.core.registry import DATASETS, MODELS
from plane_anomalib.core.results import RunResult, read_metrics_json
from plane_anomalib.geometry import sampling
from plane_anomalib.geometry.neighbours import NeighbourIndex
from plane_anomalib.metrics.functional import rank_counts

_PER_DISTANCE = 8
"""Three differences, three squares, two sums."""


@dataclass(frozen=True)
class JobOutcome:
    """What a training and test left.

    Attributes:
        result: The numbers.
        fit_seconds: Wall-clock seconds of fitting, loading included.
        model: The trained Lightning model.
    """

    result: RunResult
    fit_seconds: float | None
    model: Any


def train_and_test(job: Job, folder: Path, watchers: Sequence[Callback] = ()) -> JobOutcome:
    """Train and test once.

    Args:
        job: What.
        folder: Where checkpoint and metrics go.
        watchers: See the test after the evaluator has, so that its clock runs without them.

    Raises:
        ConfigurationError: The model leaves no `metrics.json`, so that there is nothing to compare.
    """
    datamodule: Any = DATASETS.get(job.data.name)(**job.data.arguments)
    model: Any = MODELS.get(job.model.name)(**job.model.arguments)
    own = model.configure_callbacks
    # Lightning puts callbacks of the model behind those of the trainer, in this order.
    model.configure_callbacks = lambda: [*own(), *watchers]
    clock = _FitClock()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    engine = Engine(callbacks=[clock], default_root_dir=folder, devices=1, **quiet)
    engine.train(model, datamodule=datamodule)
    found = sorted(folder.rglob("metrics.json"))
    if len(found) != 1:
        raise ConfigurationError(
            f"{job.model.name} wrote no metrics.json: its evaluator must be a PointCloudEvaluator."
        )
    return JobOutcome(read_metrics_json(found[0]), clock.seconds, model)


class _FitClock(Callback):
    """Times fitting, from before the data are set up to after the last validation."""

    def __init__(self) -> None:
        self.seconds: float | None = None
        self._start = time.perf_counter()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        del trainer, pl_module
        if stage == "fit":
            self._start = time.perf_counter()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del trainer, pl_module
        self.seconds = time.perf_counter() - self._start


MOST_POINTS = 20_000
"""Points of a cloud that are kept, drawn evenly: a report shows no more."""
_QUICK_SECONDS = 0.5


class CostWatcher(Callback):
    """Counts the operations of scoring one test cloud, outside the evaluator's clock.

    Counting takes a fraction of a second. Of a quick model a cloud is scored once more for it,
    after the metrics; of a slow one, where that would take long and the count does not show in the
    clock, it is done while the second batch is scored.
    """

    def __init__(self) -> None:
        self.cost: Cost | None = None
        self._first: Any = None

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stand before the model's scoring for a call or two."""
        del trainer
        model: Any = pl_module
        score = model.score_batch

        def watched(batch: Any) -> Any:
            if self._first is not None:
                del model.score_batch
                return self._count(model, score, batch)
            start = time.perf_counter()
            scores = score(batch)
            self._first = batch
            if time.perf_counter() - start < _QUICK_SECONDS:
                del model.score_batch
            return scores

        model.score_batch = watched

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count now what has not been counted; the evaluator is done by now."""
        del trainer
        model: Any = pl_module
        vars(model).pop("score_batch", None)
        if self.cost is None and self._first is not None:
            self._count(model, model.score_batch, self._first)
        self._first = None

    def _count(self, model: Any, score: Callable[[Any], Any], batch: Any) -> Any:
        scores: list[Any] = []
        cost = count_cost(model, lambda: scores.append(score(batch)))
        clouds = max(int(batch.batch_size), 1)
        self.cost = replace(
            cost, products=cost.products // clouds, distances=cost.distances // clouds
        )
        return scores[0]


@dataclass(frozen=True)
class _Kept:
    """A scored defective cloud."""

    path: str
    precision: float
    points: NDArray[np.float32]
    scores: NDArray[np.float32]
    truth: NDArray[np.bool_]


class CloudWatcher(Callback):
    """Keeps, of each category, the defective test clouds with the best and the worst map.

    Args:
        seed: Of the points that are kept.
    """

    def __init__(self, seed: int = 0) -> None:
        self._generator = np.random.default_rng(seed)
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._root: Path | None = None

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: STEP_OUTPUT | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Look at the batch's clouds."""
        del pl_module, outputs, batch_idx, dataloader_idx
        self._root = getattr(getattr(trainer, "datamodule", None), "root", None)
        if batch.anomaly_map is None or batch.gt_mask is None:
            return
        arrays = (batch.points, batch.anomaly_map.float(), batch.gt_mask.bool())
        points, scores, masks = (array.detach().cpu().numpy() for array in arrays)
        known, stop = batch.masks_known, 0
        for index, length in enumerate(batch.lengths.tolist()):
            start, stop = stop, stop + length
            part = slice(start, stop)
            if known[index] and masks[part].any() and not masks[part].all():
                cloud = (points[part], scores[part], masks[part])
                self._look(str(batch.category[index]), str(batch.path[index]), *cloud)

    def save(self, folder: Path) -> list[SavedCloud]:
        """Write what was kept.

        Args:
            folder: The folder of the job.
        """
        saved = []
        for number, ((category, kind), cloud) in enumerate(sorted(self._kept.items())):
            file = folder / f"{kind}_{number:03}.npz"
            with replaced(file) as temporary:
                np.savez_compressed(
                    temporary, points=cloud.points, scores=cloud.scores, truth=cloud.truth
                )
            path = relative_path(cloud.path, self._root or Path(cloud.path).parent)
            saved.append(SavedCloud(file.name, path, category, kind, cloud.precision))
        return saved

    def _look(
        self,
        category: str,
        path: str,
        points: NDArray[np.float32],
        scores: NDArray[np.float32],
        truth: NDArray[np.bool_],
    ) -> None:
        precision = rank_counts(scores[truth], [scores[~truth]]).average_precision()
        best, worst = self._kept.get((category, "best")), self._kept.get((category, "worst"))
        is_best = best is None or precision > best.precision
        is_worst = worst is None or precision < worst.precision
        if not (is_best or is_worst):
            return
        chosen = self._chosen(len(points))
        cloud = _Kept(path, precision, points[chosen], scores[chosen], truth[chosen])
        if is_best:
            self._kept[category, "best"] = cloud
        if is_worst:
            self._kept[category, "worst"] = cloud

    def _chosen(self, count: int) -> NDArray[np.int64] | slice:
        if count <= MOST_POINTS:
            return slice(None)
        return np.sort(self._generator.choice(count, MOST_POINTS, replace=False))


def count_cost(model: nn.Module, call: Callable[[], object]) -> Cost:
    """Count the operations of one call, on any device.

    Torch's own counter sees neither attention on a CPU, nor `cdist`, nor anything outside torch.

    Args:
        model: Whose parameters count.
        call: Runs the model.

    Returns:
        The cost.
    """
    aten = torch.ops.aten
    formulas: dict[Any, Any] = {
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._cdist_forward: _cdist,
        aten._euclidean_dist: _cdist,
    }
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    with counter, _distances_counted() as distances:
        call()
    every = list(model.parameters())
    return Cost(
        counter.get_total_flops(),
        sum(distances),
        sum(parameter.numel() for parameter in every),
        sum(parameter.numel() for parameter in every if parameter.requires_grad),
    )


@contextmanager
def _distances_counted() -> Iterator[list[int]]:
    """Watch the samplings and searches of PLANE; FPFH and memory banks search otherwise."""
    counts: list[int] = []
    query, farthest = NeighbourIndex.query, sampling._farthest_points

    def counted_query(index: NeighbourIndex, queries: ArrayLike, *args: Any, **named: Any) -> Any:
        found = query(index, queries, *args, **named)
        counts.append(_PER_DISTANCE * len(index.reference) * len(found[0]))
        return found

    def counted_farthest(points: Tensor, num: int, *args: Any, **named: Any) -> Tensor:
        counts.append(_PER_DISTANCE * points.shape[0] * points.shape[1] * num)
        return farthest(points, num, *args, **named)

    with (
        patch.object(NeighbourIndex, "query", counted_query),
        patch.object(sampling, "_farthest_points", counted_farthest),
    ):
        yield counts


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """From shapes (B, heads, L, D) and (B, heads, S, D): scores, then their mix of values."""
    batch, heads, length, width = query
    return int(2 * batch * heads * length * key[2] * (width + value[3]))


def _cdist(first: Any, second: Any, *_: Any, **__: Any) -> int:
    """From shapes (..., P, M) and (..., R, M): a difference, a square and a sum per number."""
    pairs = 1
    for size in first[:-1]:
        pairs *= size
    return int(3 * pairs * second[-2] * first[-1])
