"""A small folder of results, as `predict` writes it, and the detector's folder it came from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from plane_anomalib.core.results import Hardware, Versions
from plane_anomalib.inspection.card import GOOD_FOLDER, DetectorCard, ScanCard
from plane_anomalib.inspection.regions import anomalous_regions
from plane_anomalib.inspection.result import Threshold
from plane_anomalib.inspection.results_folder import (
    CLOUDS_FOLDER,
    CloudSummary,
    DetectorSummary,
    FailedFile,
    Summary,
)
from plane_anomalib.web.colours import ScoreScale

VERSIONS = Versions("1", "unknown", "2", "3", "3.11")
THRESHOLD = Threshold(0.75, "best F1 on <2> good scans")
POINT_THRESHOLD = Threshold(0.5, "best F1 on <2> good scans")
HASH = "a" * 64


@dataclass(frozen=True)
class Judged:
    """Where the results and the detector lie."""

    out: Path
    run: Path

    @property
    def summary(self) -> Summary:
        return Summary.read(self.out)


def part(generator: np.random.Generator, num: int = 2000) -> np.ndarray:
    """A lopsided ellipsoid away from the origin, `(num, 3) float32`."""
    points = generator.normal(size=(num, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[:, 0] += 0.35 * points[:, 1] ** 2
    return (points * (30.0, 20.0, 12.0) + (100.0, -40.0, 7.0)).astype(np.float32)


def make_judged(
    folder: Path, names: tuple[str, ...] = ("bad", "fine"), *, num: int = 2000, seed: int = 0
) -> Judged:
    """Results of `names`: the first has two marked patches, the others none."""
    generator = np.random.default_rng(seed)
    judged = Judged(folder / "out", folder / "run")
    (judged.out / CLOUDS_FOLDER).mkdir(parents=True)
    clouds = [
        _cloud(judged.out, name, part(generator, num), generator, marked=i == 0)
        for i, name in enumerate(names)
    ]
    detector = DetectorSummary(
        str(judged.run), "BTF", ["part"], "mm", THRESHOLD, POINT_THRESHOLD, HASH, None,
        None, VERSIONS,
    )  # fmt: skip
    failed = [FailedFile("scans/<broken>.ply", "scans/<broken>.ply: holds zero points")]
    Summary(detector, clouds, failed, [], ScoreScale(0.0, 0.5, 1.0, 0.5)).write(judged.out)
    _detector(judged.run, generator, num)
    return judged


def _cloud(
    out: Path, name: str, points: np.ndarray, generator: np.random.Generator, *, marked: bool
) -> CloudSummary:
    truth = np.zeros(len(points), bool)
    if marked:
        # Around the point farthest up, and around the one farthest along x.
        for top, reach in ((points[:, 2].argmax(), 7.0), (points[:, 0].argmax(), 5.0)):
            truth |= np.linalg.norm(points - points[top], axis=1) < reach
    scores = (generator.uniform(0.0, 0.4, len(points)) + 0.55 * truth).astype(np.float32)
    regions, region = anomalous_regions(points, scores, POINT_THRESHOLD.value)
    known = {"truth": truth} if marked else {}
    file = f"{CLOUDS_FOLDER}/{name}.npz"
    np.savez(out / file, points=points, scores=scores, region=region, **known)
    regions = tuple(replace(r, height=0.5 if i == 0 else None) for i, r in enumerate(regions))
    return CloudSummary(
        name, f"scans/{name}.ply", "f" * 64, len(points), 0, 0.9 if marked else 0.3,
        "anomaly" if marked else "normal", list(regions), "good1", {"npz": file}, 1.0,
    )  # fmt: skip


def _detector(run: Path, generator: np.random.Generator, num: int) -> None:
    (run / GOOD_FOLDER).mkdir(parents=True)
    scans = []
    for name in ("good1", "good2"):
        np.savez(run / GOOD_FOLDER / f"{name}.npz", points=part(generator, num))
        scans.append(ScanCard(name, f"scans/{name}.ply", num, 1.0, 60.0, 25.0, 5.0))
    hardware = Hardware("cpu", 2, 1, None)
    DetectorCard(
        "BTF", {}, "part", scans, "mm", True, False, THRESHOLD, POINT_THRESHOLD, [], 0,
        1.0, "2026-01-01T00:00:00+00:00", VERSIONS, hardware, "c" * 64, None, HASH,
    ).write(run)  # fmt: skip


def page_data(page: Path) -> dict[str, Any]:
    """What a page's script draws."""
    text = page.read_text(encoding="utf-8")
    found = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))
