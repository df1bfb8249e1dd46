"""Time of BTF and PatchCore on FPFH, stage by stage, beside a straightforward pipeline.

The reference is written here as the methods are usually run: Open3D normals and FPFH at every
point, a random projection to 128 dimensions and a greedy loop in torch for the coreset, float64
`cdist` for the search. Its results are compared with ours: descriptors and scores to 1e-5, the
coreset by its covering radius. Clouds are samples of one of the built-in procedural shapes, 30
units long, with sensor noise; four are templates, one is scored.

    python benchmarks/baselines_speed.py                     # 20,000 points; some minutes
    python benchmarks/baselines_speed.py --points 200000 --picks 300
    python benchmarks/baselines_speed.py --memory            # four templates of 2,500,000 points

With `--picks` the reference's greedy loop, whose every pick costs the same, makes only so many, and
its time for the rest is extrapolated; the table says so. Registration is not in it: a stage that
both sides need would be one more entry of `reference` and `ours`, between clouds and descriptors.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Cloud = NDArray[np.float32]
Numbers = dict[str, float]
Found = dict[str, Numbers]

LENGTH = 30.0
SEARCH: dict[str, Any] = {"normal_radius": 1.0, "radius": 2.5, "oriented": False}
NORMAL_NEIGHBOURS, NEIGHBOURS = 30, 100
TEMPLATE_STRIDE, TEST_STRIDE = 100, 500
CORESET = 10_000
METHODS = {
    "BTF": ("strided descriptors", "strided search"),
    "PatchCore FPFH": ("descriptors", "coreset", "search"),
    "PatchCore FPFH+raw": ("descriptors", "coreset", "search", "raw coreset", "raw search"),
}


def clouds(points: int, number: int) -> Iterator[Cloud]:
    """Samples of one shape, each with noise of its own."""
    from plane_anomalib.data.procedural.families import FAMILIES
    from plane_anomalib.data.procedural.surface import Surface
    from plane_anomalib.data.procedural.writing import REACH

    rng = np.random.default_rng(0)
    surface = Surface(FAMILIES["cup0"](), REACH, rng)
    for _ in range(number):
        sample = surface.sample(1.1 * points / surface.area, rng)[0][:points]
        yield (LENGTH * (sample + 5e-4 * rng.normal(size=sample.shape))).astype(np.float32)


@contextmanager
def timed(stages: Numbers, name: str) -> Iterator[None]:
    """Add the seconds of a block to a stage."""
    start = time.perf_counter()
    yield
    stages[name] = stages.get(name, 0.0) + time.perf_counter() - start


def reference_fpfh(stages: Numbers, cloud: Cloud) -> float:
    """Open3D at every point; the share of rows that ours has otherwise."""
    import open3d as o3d

    from plane_anomalib.geometry.fpfh import fpfh

    near = o3d.geometry.KDTreeSearchParamHybrid
    with timed(stages, "descriptors"):
        pcd = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(cloud.astype(np.float64)))
        pcd.estimate_normals(near(SEARCH["normal_radius"], NORMAL_NEIGHBOURS))
        search = near(SEARCH["radius"], NEIGHBOURS)
        feature = o3d.pipelines.registration.compute_fpfh_feature(pcd, search)  # type: ignore[call-arg]
        found = feature.data.T
    # Compared on its normals: those of points with the same neighbours differ by rounding in it,
    # which decides the frame of such a pair and moves some rows by up to 1 %.
    same = fpfh(cloud, normals=np.asarray(pcd.normals), **SEARCH)
    wrong = np.linalg.norm(same - found, axis=1) > 1e-5 * np.linalg.norm(found, axis=1)
    return float(wrong.mean())


def reference_coreset(
    stages: Numbers, name: str, rows: NDArray[np.float32], picks: int
) -> NDArray[np.int64]:
    """Random projection, mean distance to ten starts, then one pass over all rows per pick."""
    generator = torch.Generator().manual_seed(0)
    start = time.perf_counter()
    matrix = torch.rand(rows.shape[1], 128, generator=generator) * 2 - 1
    space = torch.from_numpy(rows) @ matrix / rows.shape[1] ** 0.5
    starts = torch.randperm(len(rows), generator=generator)[:10]
    nearest = torch.cdist(space, space[starts]).mean(1).square_()
    norms = space.square().sum(1)
    before = time.perf_counter()
    picked = []
    for _ in range(picks):
        index = int(nearest.argmax())
        picked.append(index)
        squared = torch.addmv(norms, space, space[index], alpha=-2).add_(norms[index])
        torch.minimum(nearest, squared, out=nearest)
    after = time.perf_counter()
    stages[name] = before - start + (after - before) * CORESET / picks
    return np.array(picked)


def reference_search(
    queries: NDArray[np.float32], bank: NDArray[np.float32]
) -> NDArray[np.float64]:
    """All distances in float64, some thousand queries at a time."""
    parts = np.array_split(queries.astype(np.float64), max(1, len(queries) // 2000))
    rows = bank.astype(np.float64)
    return np.concatenate([cdist(part, rows).min(1) for part in parts])


def ours(points: int, folder: Path, picks: int) -> Found:
    """The package's parts; leaves what they worked on and found in the folder."""
    from plane_anomalib.geometry.fpfh import fpfh
    from plane_anomalib.models.memory_bank import MemoryBank, greedy_coreset

    del picks
    fit, score = Numbers(), Numbers()
    *templates, test = clouds(points, 5)
    raw = np.concatenate(templates)
    few, every = np.arange(0, points, TEST_STRIDE), np.arange(0, points, TEMPLATE_STRIDE)
    fpfh(test[:2000], **SEARCH)  # loads what is loaded once
    with timed(fit, "descriptors"):
        rows = np.concatenate([fpfh(cloud, **SEARCH) for cloud in templates])
    with timed(fit, "strided descriptors"):
        strided = np.concatenate([fpfh(cloud, queries=every, **SEARCH) for cloud in templates])
    with timed(score, "descriptors"):
        queries = fpfh(test, **SEARCH)
    with timed(score, "strided descriptors"):
        strided_queries = fpfh(test, queries=few, **SEARCH)
    arrays = {"coreset rows": rows, "raw coreset rows": raw}
    for name in ("coreset", "raw coreset"):
        with timed(fit, name):
            kept = greedy_coreset(torch.from_numpy(arrays[f"{name} rows"]), CORESET, seed=0)
        arrays[f"{name} kept"] = kept.numpy()
    banks = {
        "search": (rows[arrays["coreset kept"]], queries),
        "raw search": (raw[arrays["raw coreset kept"]], test),
        "strided search": (strided, strided_queries),
    }
    for name, (kept_rows, values) in banks.items():
        bank = MemoryBank()
        bank.fill(torch.from_numpy(kept_rows))
        with timed(score, name):
            distances = bank.nearest(torch.from_numpy(values))[0][:, 0].numpy()
        arrays |= {f"{name} bank": kept_rows, f"{name} queries": values}
        arrays[f"{name} distances"] = distances
    np.savez(folder / "ours.npz", **arrays)  # type: ignore[arg-type]
    return {"fit": fit, "score": score}


def reference(points: int, folder: Path, picks: int) -> Found:
    """The straightforward pipeline; coreset and search work on what ours worked on."""
    fit, score, equal = Numbers(), Numbers(), Numbers()
    *templates, test = clouds(points, 5)
    for stages, group in ((fit, templates), (score, [test])):
        for cloud in group:
            equal["share of descriptors unlike ours"] = reference_fpfh(stages, cloud)
        stages["strided descriptors"] = stages["descriptors"]  # every point all the same
    with np.load(folder / "ours.npz") as arrays:
        for name in ("coreset", "raw coreset"):
            rows, kept = arrays[f"{name} rows"], arrays[f"{name} kept"]
            found = reference_coreset(fit, name, rows, picks or CORESET)
            equal[f"{name}: our covering radius"] = covering_radius(rows, kept)
            if len(found) == CORESET:
                equal[f"{name}: the reference's"] = covering_radius(rows, found)
        for name in ("search", "raw search", "strided search"):
            with timed(score, name):
                distances = reference_search(arrays[f"{name} queries"], arrays[f"{name} bank"])
            gaps = np.abs(arrays[f"{name} distances"] - distances) / distances.max()
            equal[f"{name}: largest difference"] = float(gaps.max())
    return {"fit": fit, "score": score, "equal": equal}


def covering_radius(rows: NDArray[np.float32], kept: NDArray[np.int64]) -> float:
    """Distance of the row that is farthest from those kept."""
    from plane_anomalib.models.memory_bank import MemoryBank

    bank = MemoryBank()
    bank.fill(torch.from_numpy(rows[kept]))
    return float(bank.nearest(torch.from_numpy(rows))[0].max())


def memory(points: int, folder: Path, picks: int) -> Found:
    """Fit BTF on four large templates, one after the other."""
    from plane_anomalib.geometry.fpfh import fpfh

    del folder, picks
    fit = Numbers()
    for cloud in clouds(points, 4):
        fit.setdefault("peak GB before", _peak())
        with timed(fit, "strided descriptors"):
            fpfh(cloud, queries=np.arange(0, points, TEMPLATE_STRIDE), **SEARCH)
    fit["peak GB"] = _peak()
    return {"fit": fit}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


SIDES = {"ours": ours, "reference": reference, "memory": memory}


def run(side: str, points: int, folder: Path, picks: int) -> Found:
    """Measure one side in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--side", side, "--folder"]
    command += [str(folder), f"--points={points}", f"--picks={picks}"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout.splitlines()[-1])


def table(found: dict[str, Found]) -> str:
    """Seconds and ratios, stage by stage and end to end."""
    lines = ["| | stage | reference s | ours s | ratio |", "|---|---|---|---|---|"]
    for phase, title in (("fit", "fitting, 4 clouds"), ("score", "scoring, 1 cloud")):
        theirs, own = found["reference"][phase], found["ours"][phase]
        names = [n for n in own if n in theirs]
        entries = {name: [name] for name in names}
        entries |= {f"**{m}**": [p for p in parts if p in names] for m, parts in METHODS.items()}
        for name, parts in entries.items():
            slow, fast = sum(theirs[p] for p in parts), sum(own[p] for p in parts)
            lines.append(f"| {title} | {name} | {slow:.3f} | {fast:.3f} | {slow / fast:.1f} |")
    return "\n".join(lines)


def report(result: dict[str, Any]) -> str:
    """The table, and under what conditions it was made."""
    found = result["seconds"]
    lines = [f"{name}: {value}" for name, value in result.items() if name != "seconds"]
    numbers = found["memory"]["fit"] if "memory" in found else found["reference"]["equal"]
    lines += [f"{name}: {value:.3g}" for name, value in numbers.items()]
    bullets = "\n".join(f"- {line}" for line in lines)
    return bullets if "memory" in found else f"{bullets}\n\n{table(found)}"


def main() -> None:
    """Run both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, help="of a cloud")
    parser.add_argument("--picks", type=int, default=0, help="of the reference's greedy loop")
    parser.add_argument("--memory", action="store_true", help="measure peak memory instead")
    parser.add_argument("--output", type=Path, help="a .json; a .md with the table goes beside it")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    points = args.points or (2_500_000 if args.memory else 20_000)
    if args.side:
        print(json.dumps(SIDES[args.side](points, args.folder, args.picks)))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        sides = ("memory",) if args.memory else ("ours", "reference")
        found = {side: run(side, points, Path(name), args.picks) for side in sides}
    result = {
        "points": points,
        "picks of the reference": args.picks or CORESET,
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "load before and after": [load, os.getloadavg()[0]],
        "seconds": found,
    }
    text = report(result)
    print(text)
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(result, indent=1) + "\n")
        args.output.with_suffix(".md").write_text(text + "\n")


if __name__ == "__main__":
    main()
