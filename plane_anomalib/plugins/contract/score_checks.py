"""Checks of the scores of a trained model: of the cloud and of nothing else, in bounded memory."""

from __future__ import annotations

import copy
import gc
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from plane_anomalib.core.errors import ContractError, NotMeasuredError
from plane_anomalib.plugins.contract.check import check, expect, expect_close
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest, packed
from plane_anomalib.plugins.contract.sample_data import Points, surface

Clouds = Mapping[str, Callable[[np.random.Generator], Points]]

TINY: Clouds = {
    "one point": lambda generator: surface(generator, 1),
    "three points": lambda generator: surface(generator, 3),
    "fifty points": lambda generator: surface(generator, 50),
    "a hundred points": lambda generator: surface(generator, 100),
}
DEGENERATE: Clouds = {
    "every point four times": lambda generator: np.repeat(surface(generator, 40), 4, 0),
    "all points in one place": lambda generator: np.full((70, 3), 7.0, np.float32),
    "points on a line": lambda generator: np.outer(generator.normal(size=90), [1, 2, 3]).astype(
        np.float32
    ),
    "points on a plane": lambda generator: surface(generator, 90) * np.array([1, 1, 0], np.float32),
}
EXTENTS: Clouds = {
    "far from the origin": lambda generator: surface(generator, 90) + np.float32(1e4),
    "of 1e-6 units": lambda generator: surface(generator, 90) * np.float32(1e-6),
    "of 50,000 points": lambda generator: surface(generator, 50_000),
}

LARGE = 300_000
MEMORY_LIMIT = 2_000_000_000
"""Bytes above what the process held before it scores `LARGE` points: 6,700 per point."""
_ADVICE = "work in chunks of points, never on a matrix of all points by all others."
_PROC = Path("/proc/self")


@check
def every_point(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """A ragged packed batch gets one finite score per point and one per cloud."""
    clouds = [surface(generator, size) for size in (500, 3, 129, 1)]
    found = subject.scores(*clouds, category=["bowl0", "cup1", "cup1", "bowl0"])
    for name, values, count in (
        ("anomaly_map", found.anomaly_map, 633),
        ("pred_score", found.pred_score, 4),
    ):
        expect(values is not None, f"score_batch gives no {name}.")
        expect(
            values.shape == (count,),
            f"{name} has the shape {tuple(values.shape)} for 4 clouds of 633 points in all: it "
            f"must be ({count},).",
        )
        expect(values.dtype == torch.float32, f"{name} is {values.dtype}: make it float32.")
        expect(values.isfinite().all(), f"{name} holds values that are not finite.")
    expect(
        len(found.anomaly_map[:500].unique()) > 1,
        "All 500 points of a cloud get one score: nothing is localised.",
    )


@check
def permutation(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Permuting the points of a cloud permutes their scores and leaves the object's score."""
    for size in (40, 5000):
        cloud, order = surface(generator, size), generator.permutation(size)
        plain, shuffled = subject.scores(cloud), subject.scores(cloud[order])
        scale = float(plain.anomaly_map.abs().max())
        expect_close(
            shuffled.anomaly_map,
            plain.anomaly_map[order],
            f"Scores of {size} points depend on the order of the points or are not in input "
            "order: undo every sorting, and choose points by place "
            "(geometry.sampling.shuffled_order), not by index.",
            rtol=1e-4,
            atol=1e-4 * scale,
        )
        expect_close(
            shuffled.pred_score,
            plain.pred_score,
            f"The object's score of {size} points depends on the order of the points.",
            rtol=1e-4,
            atol=1e-6,
        )


@check
def duplicate_points(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Points in one place get one score."""
    found = subject.scores(np.repeat(surface(generator, 90), 3, 0)).anomaly_map.view(90, 3)
    expect_close(
        found,
        found[:, :1].expand(-1, 3),
        "Three points in one place get different scores: a descriptor that ends in the middle of "
        "equal distances sees different neighbours.",
        rtol=1e-4,
        atol=1e-6,
    )


@check
def batch_company(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """What else is in the batch does not matter."""
    clouds = [surface(generator, size) for size in (300, 1, 50, 900, 3)]
    names = ["bowl0", "cup1", "bowl0", "cup1", "bowl0"]
    together = subject.scores(*clouds, category=names)
    parts = together.anomaly_map.split([len(cloud) for cloud in clouds])
    for i, (cloud, name) in enumerate(zip(clouds, names, strict=True)):
        alone = subject.scores(cloud, category=name)
        sentence = (
            f"Cloud {i} of {len(clouds)} gets other scores alone than in the batch: normalise and "
            "score cloud by cloud (`lengths` says where each ends)."
        )
        expect_close(alone.anomaly_map, parts[i], sentence, rtol=1e-4, atol=1e-6)
        expect_close(alone.pred_score[0], together.pred_score[i], sentence, rtol=1.3e-6, atol=1e-5)


@check
def tiny_clouds(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Clouds of 1, 3, 50 and 100 points get finite scores."""
    _expect_finite(subject, generator, TINY, "take min(k, N) neighbours and guard every division")


@check
def degenerate_clouds(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Clouds of repeated points, one place, a line or a plane get finite scores."""
    _expect_finite(subject, generator, DEGENERATE, "guard divisions by an extent that may be 0")


@check
def extents(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Clouds far from the origin, very small or of 50,000 points get finite scores."""
    _expect_finite(subject, generator, EXTENTS, "compute on centered clouds, in chunks of points")


@check
def pure_scoring(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Scoring changes neither the batch nor the model, and twice gives the same bits."""
    model, batch = subject.model, packed(surface(generator, 200), surface(generator, 60))
    points, before = batch.points.clone(), copy.deepcopy(model.state_dict())
    first, again = model.score_batch(batch), model.score_batch(batch)
    expect(torch.equal(batch.points, points), "Scoring changes the points of the batch: copy them.")
    expect_close(again.anomaly_map, first.anomaly_map, "The same batch twice gives other scores.")
    expect(
        not first.anomaly_map.requires_grad, "Scores carry gradients: score under torch.no_grad()."
    )
    after = model.state_dict()
    changed = [key for key in before if not _same(before[key], after.get(key))]
    expect(not changed and len(after) == len(before), f"Scoring changes the model's {changed}.")


@check
def random_state(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Scoring neither uses nor changes the global random state of torch and numpy."""
    cloud = surface(generator, 400)
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()  # noqa: NPY002
    try:
        first = _with_global_seed(subject, cloud, 1)
        again = _with_global_seed(subject, cloud, 2)
    finally:
        torch.random.set_rng_state(torch_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
    expect_close(again, first, "Scores depend on the global random state: use `seed`.")


@check
def bounded_memory(subject: ModelUnderTest, generator: np.random.Generator) -> None:
    """Scoring a cloud of 300,000 points takes at most 2 GB."""
    cloud = surface(generator, LARGE)
    subject.model  # noqa: B018  (training is not to be measured)
    gc.collect()
    before = _restart_peak()
    with _limited_to(2 * MEMORY_LIMIT):
        try:
            found = subject.scores(cloud)
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                raise
            raise ContractError(
                f"Scoring {LARGE:,} points takes more than {2 * MEMORY_LIMIT / 1e9:.0f} GB: "
                f"{_ADVICE}"
            ) from error
        grown = _status("VmHWM") - before
    expect(len(found.anomaly_map) == LARGE, f"{len(found.anomaly_map)} scores for {LARGE:,}.")
    expect(
        grown <= MEMORY_LIMIT,
        f"Scoring {LARGE:,} points takes {grown / 1e9:.1f} GB, more than {MEMORY_LIMIT / 1e9:.0f}: "
        f"{_ADVICE}",
    )


def _with_global_seed(subject: ModelUnderTest, cloud: Points, seed: int) -> torch.Tensor:
    """Scores under a global seed, of which the next numbers must still be the first."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    scores = subject.scores(cloud).anomaly_map
    drawn = {"torch": torch.rand(2).tolist(), "numpy": np.random.rand(2).tolist()}  # noqa: NPY002
    fresh = torch.Generator().manual_seed(seed)
    untouched = {
        "torch": torch.rand(2, generator=fresh).tolist(),
        "numpy": np.random.RandomState(seed).rand(2).tolist(),
    }
    for library, values in untouched.items():
        expect(
            drawn[library] == values,
            f"Scoring draws from {library}'s global generator: make one of `seed`.",
        )
    return scores


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return first.shape == second.shape and torch.allclose(
            first, second, rtol=0, atol=0, equal_nan=True
        )
    return type(first) is type(second) and bool(first == second)


def _expect_finite(
    subject: ModelUnderTest, generator: np.random.Generator, clouds: Clouds, advice: str
) -> None:
    """Score each cloud; name all of those for which it fails, and how."""
    subject.model  # noqa: B018  (a training that fails is not to be reported once per cloud)
    failed: dict[str, str] = {}
    first: Exception | None = None
    for kind, make in clouds.items():
        cloud = make(generator)
        try:
            found = subject.scores(cloud)
        except Exception as error:
            failed[kind] = f"{type(error).__name__}: {error}".splitlines()[0]
            first = first or error
            continue
        if found.anomaly_map.shape != (len(cloud),):
            failed[kind] = f"{tuple(found.anomaly_map.shape)} scores for {len(cloud)} points"
        elif not (found.anomaly_map.isfinite().all() and found.pred_score.isfinite().all()):
            failed[kind] = "scores that are not finite"
    if failed:
        listed = "; ".join(f"{kind} ({reason})" for kind, reason in failed.items())
        raise ContractError(f"Fails for {listed}: {advice}.") from first


def _restart_peak() -> int:
    """Let the peak of resident memory start again from what is resident now, and say how much.

    In this process, since another one would take the seconds that torch and anomalib take to
    import. What earlier calls left with the allocator counts as resident.

    Raises:
        NotMeasuredError: The system has no such switch.
    """
    try:
        (_PROC / "clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError as error:
        raise NotMeasuredError(
            "peak memory can only be measured on Linux, with a writable /proc/self/clear_refs."
        ) from error


def _status(field: str) -> int:
    """A field of the process's status, in bytes."""
    found = re.search(rf"^{field}:\s+(\d+) kB$", (_PROC / "status").read_text(), re.M)
    if found is None:
        raise OSError(f"{_PROC}/status has no {field}.")
    return int(found[1]) * 1024


@contextmanager
def _limited_to(growth: int) -> Iterator[None]:
    """Let allocations fail that go beyond `growth` bytes, before the system kills the process."""
    import resource  # not on every system

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    ceiling = _status("VmSize") + growth
    if soft != resource.RLIM_INFINITY:
        ceiling = min(ceiling, soft)
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
