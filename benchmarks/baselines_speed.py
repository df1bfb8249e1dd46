"""Time of BTF and PatchCore on FPFH, stage by stage, beside a straightforward pipeline.

The reference (`reference_pipeline.py`) is as the methods are usually run: Open3D normals and FPFH
at every point, a random projection to 128 dimensions and a greedy loop in torch for the coreset,
float64 `cdist` for the search. Its results are compared with ours: descriptors and scores to 1e-5,
the coreset by its covering radius. Clouds are samples of one of the built-in procedural shapes, 30
units long, with sensor noise; four are templates, one is scored. Ratios are of wall time and of the
CPU time of all threads, which other processes disturb less.

The code that the methods were published with registers every cloud to the first template before
anything else, whatever the method, by RANSAC over FPFH matches. That is a stage of its own, on
turned copies of the clouds. The table has every method without and with it: ours takes part in the
latter only where raw coordinates are compared, since FPFH with oriented normals does not depend on
the pose. Of both registrations the distance that clouds lie off the template afterwards is printed.

    python benchmarks/baselines_speed.py                     # 20,000 points; some minutes
    python benchmarks/baselines_speed.py --points 200000 --picks 300
    python benchmarks/baselines_speed.py --memory            # four templates of 2,500,000 points

With `--picks` the reference's greedy loop, whose every pick costs the same, makes only so many, and
its time for the rest is extrapolated. RANSAC is run once and counted for each template but the
first; its time grows as the square of the points, so it gets `--matched` of them. What is printed
says so.
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
from pathlib import Path
from typing import Any

import numpy as np
import reference_pipeline as pipeline
import torch
from clouds import LENGTH, clouds
from numpy.typing import NDArray
from reference_pipeline import CORESET, CPU, Cloud, Numbers, timed
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

Found = dict[str, Numbers]
Limits = dict[str, int]

SEARCH: dict[str, Any] = {
    "normal_radius": pipeline.NORMAL_RADIUS,
    "normal_neighbours": pipeline.NORMAL_NEIGHBOURS,
    "radius": pipeline.RADIUS,
    "neighbours": pipeline.NEIGHBOURS,
    "oriented": False,
}
TEMPLATE_STRIDE, TEST_STRIDE = 100, 500
METHODS = {
    "BTF": ("strided descriptors", "strided search"),
    "PatchCore FPFH": ("descriptors", "coreset", "search"),
    "PatchCore FPFH+raw": ("descriptors", "coreset", "search", "raw coreset", "raw search"),
}
REGISTRATION = "registration"
NEEDS_A_POSE = ("PatchCore FPFH+raw",)
"""Methods whose scores depend on the pose in our package."""


def turned(cloud: Cloud, seed: int) -> Cloud:
    """A cloud in another pose."""
    rotation = Rotation.random(random_state=seed).as_matrix()
    return (cloud @ rotation.T + LENGTH / 3).astype(np.float32)


def surface_error(cloud: Cloud, template: Cloud) -> float:
    """RMS distance of a cloud from the planes through the template's points."""
    from plane_anomalib.geometry.normals import surface_normals

    nearest = cKDTree(template).query(cloud)[1]
    normals = surface_normals(template, radius=SEARCH["normal_radius"])
    offsets = np.einsum("ij,ij->i", cloud - template[nearest], normals[nearest])
    return float(np.sqrt(np.mean(offsets**2)))


def reference_fpfh(stages: Numbers, cloud: Cloud) -> float:
    """Open3D at every point; the share of rows that ours has otherwise."""
    from plane_anomalib.geometry.fpfh import fpfh

    with timed(stages, "descriptors"):
        pcd, feature = pipeline.open3d_fpfh(cloud)
        found = feature.data.T
    # Compared on its normals: those of points with the same neighbours differ by rounding in it,
    # which decides the frame of such a pair and moves some rows by up to 1 %.
    same = fpfh(cloud, normals=np.asarray(pcd.normals), **SEARCH)
    wrong = np.linalg.norm(same - found, axis=1) > 1e-5 * np.linalg.norm(found, axis=1)
    return float(wrong.mean())


def reference_registration(
    fit: Numbers, score: Numbers, templates: list[Cloud], test: Cloud, matched: int
) -> float:
    """RANSAC of one cloud, counted for each that would need it; how far it lies off afterwards."""
    generator = np.random.default_rng(0)
    template, moved = (
        cloud[generator.permutation(len(cloud))[:matched]]
        for cloud in (templates[0], turned(test, 1))
    )
    motion = pipeline.ransac(moved, template, fit, score)
    for key in (REGISTRATION, REGISTRATION + CPU):
        fit[key] += (len(templates) - 1) * score[key]
    placed = turned(test, 1) @ motion[:3, :3].T + motion[:3, 3]
    return surface_error(placed.astype(np.float32), templates[0])


def our_registration(fit: Numbers, score: Numbers, templates: list[Cloud], test: Cloud) -> float:
    """All templates but the first, and the cloud; how far that one lies off afterwards."""
    from plane_anomalib.geometry.registration import RegistrationTarget

    with timed(fit, REGISTRATION):
        target = RegistrationTarget(templates[0], seed=0)
        for seed, cloud in enumerate(templates[1:], 2):
            target.register(turned(cloud, seed))
    with timed(score, REGISTRATION):
        found = target.register(turned(test, 1))
    placed = found.transform.apply(turned(test, 1))
    return surface_error(placed.astype(np.float32), templates[0])


def ours(points: int, folder: Path, limits: Limits) -> Found:
    """The package's parts; leaves what they worked on and found in the folder."""
    from plane_anomalib.geometry.fpfh import fpfh
    from plane_anomalib.models.components.coreset import greedy_coreset
    from plane_anomalib.models.components.memory_bank import MemoryBank

    del limits
    fit, score = Numbers(), Numbers()
    *templates, test = clouds(points, 5)
    raw = np.concatenate(templates)
    few, every = np.arange(0, points, TEST_STRIDE), np.arange(0, points, TEMPLATE_STRIDE)
    fpfh(test[:2000], **SEARCH)  # loads what is loaded once
    error = our_registration(fit, score, templates, test)
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
    return {"fit": fit, "score": score, "equal": {"registration: our RMS surface error": error}}


def reference(points: int, folder: Path, limits: Limits) -> Found:
    """The straightforward pipeline; coreset and search work on what ours worked on."""
    fit, score, equal = Numbers(), Numbers(), Numbers()
    *templates, test = clouds(points, 5)
    for stages, group in ((fit, templates), (score, [test])):
        for cloud in group:
            equal["share of descriptors unlike ours"] = reference_fpfh(stages, cloud)
        for clock in ("", CPU):  # every point all the same
            stages[f"strided descriptors{clock}"] = stages[f"descriptors{clock}"]
    error = reference_registration(fit, score, templates, test, limits["matched"])
    equal["registration: the reference's"] = error
    with np.load(folder / "ours.npz") as arrays:
        for name in ("coreset", "raw coreset"):
            rows, kept = arrays[f"{name} rows"], arrays[f"{name} kept"]
            found = pipeline.coreset(fit, name, rows, limits["picks"])
            equal[f"{name}: our covering radius"] = covering_radius(rows, kept)
            if len(found) == CORESET:
                equal[f"{name}: the reference's"] = covering_radius(rows, found)
        for name in ("search", "raw search", "strided search"):
            with timed(score, name):
                distances = pipeline.search(arrays[f"{name} queries"], arrays[f"{name} bank"])
            gaps = np.abs(arrays[f"{name} distances"] - distances) / distances.max()
            equal[f"{name}: largest difference"] = float(gaps.max())
    return {"fit": fit, "score": score, "equal": equal}


def covering_radius(rows: NDArray[np.float32], kept: NDArray[np.int64]) -> float:
    """Distance of the row that is farthest from those kept."""
    from plane_anomalib.models.components.memory_bank import MemoryBank

    bank = MemoryBank()
    bank.fill(torch.from_numpy(rows[kept]))
    return float(bank.nearest(torch.from_numpy(rows))[0].max())


def memory(points: int, folder: Path, limits: Limits) -> Found:
    """Fit BTF on four large templates, one after the other."""
    from plane_anomalib.geometry.fpfh import fpfh

    del folder, limits
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


def run(side: str, points: int, folder: Path, limits: Limits) -> Found:
    """Measure one side in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--side", side, "--folder"]
    command += [str(folder), f"--points={points}"]
    command += [f"--{name}={value}" for name, value in limits.items()]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout.splitlines()[-1])


def table(found: dict[str, Found]) -> str:
    """Seconds and ratios, stage by stage and end to end."""
    lines = [
        "| | stage | reference s | ours s | ratio | of CPU time |",
        "|---|---|---|---|---|---|",
    ]
    for phase, title in (("fit", "fitting, 4 clouds"), ("score", "scoring, 1 cloud")):
        theirs, own = found["reference"][phase], found["ours"][phase]
        names = [name for name in own if not name.endswith(CPU)]
        entries = [(name, [name], [name]) for name in names]
        for method, parts in METHODS.items():
            needed = [part for part in parts if part in names]
            posed = [REGISTRATION, *needed]
            entries.append((f"**{method}**", needed, needed))
            if method in NEEDS_A_POSE:
                entries.append((f"**{method}, registered**", posed, posed))
            else:
                entries.append((f"**{method}, registered; ours needs none**", posed, needed))
        for name, slow_parts, fast_parts in entries:
            slow, fast = sum(theirs[p] for p in slow_parts), sum(own[p] for p in fast_parts)
            busy = [sum(theirs[p + CPU] for p in slow_parts), sum(own[p + CPU] for p in fast_parts)]
            ratios = f"{slow / fast:.1f} | {busy[0] / busy[1]:.1f}"
            lines.append(f"| {title} | {name} | {slow:.3f} | {fast:.3f} | {ratios} |")
    return "\n".join(lines)


def report(result: dict[str, Any]) -> str:
    """The table, and under what conditions it was made."""
    found = result["seconds"]
    lines = [f"{name}: {value}" for name, value in result.items() if name != "seconds"]
    if "memory" in found:
        numbers = found["memory"]["fit"]
    else:
        numbers = found["ours"]["equal"] | found["reference"]["equal"]
    lines += [f"{name}: {value:.3g}" for name, value in numbers.items()]
    bullets = "\n".join(f"- {line}" for line in lines)
    return bullets if "memory" in found else f"{bullets}\n\n{table(found)}"


def main() -> None:
    """Run both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, help="of a cloud")
    parser.add_argument("--picks", type=int, default=CORESET, help="of the reference's loop")
    parser.add_argument("--matched", type=int, default=20_000, help="points given to RANSAC")
    parser.add_argument("--memory", action="store_true", help="measure peak memory instead")
    parser.add_argument("--output", type=Path, help="a .json; a .md with the table goes beside it")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    points = args.points or (2_500_000 if args.memory else 20_000)
    limits = {"picks": args.picks, "matched": min(args.matched, points)}
    if args.side:
        print(json.dumps(SIDES[args.side](points, args.folder, limits)))
        return
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        sides = ("memory",) if args.memory else ("ours", "reference")
        found = {side: run(side, points, Path(name), limits) for side in sides}
    result = {
        "points": points,
        "picks of the reference, of 10,000": args.picks,
        "points that the reference matches": limits["matched"],
        "clouds that the reference registers": "1, counted 3 times in fitting",
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
