"""What the frozen features of the built-in model are worth in a plain memory bank.

    python benchmarks/builtin_features.py [--weights FILE ...] [--points 2048 4096] [--out FILE]

For every shape family that pretraining never saw, four specimens without and some with defects of
`synthesis=extended`, each in a pose of its own, are scored by PatchCore3D (registration, one bank,
nearest row): on FPFH, on untrained weights, on the package's, and on each file of others. The
clouds of a family are disjoint samples of one shape. Means over the families; nothing here is a
benchmark's data.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from output import write_or_print

from plane_anomalib.backbones.encoder_files import load_point_language_model
from plane_anomalib.backbones.encoders import (
    BUILTIN_POINTS,
    BUILTIN_TEXT,
    create_backbone,
    create_random,
)
from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.generation.defects.corruption import random_rotation
from plane_anomalib.generation.defects.mixture import DEFAULT_WEIGHTS, DefectMix
from plane_anomalib.generation.shapes.catalogue import HELD_OUT, draw_specimen
from plane_anomalib.geometry.points import FloatArray
from plane_anomalib.metrics.functional import binary_metrics
from plane_anomalib.models.components.alignment import Registered
from plane_anomalib.models.components.bank_detector import BankDetector, Branch, described
from plane_anomalib.models.components.fitted_model import FittedModel
from plane_anomalib.models.patchcore3d import PatchCore3DConfig

TEMPLATES, GOOD = 4, 4
KINDS = [kind for kind in DEFAULT_WEIGHTS if kind != "normal"]


class Family(NamedTuple):
    """Normal clouds to fit on, clouds to score, and their truth."""

    templates: list[FloatArray]
    tests: list[FloatArray]
    masks: list[np.ndarray]


def family(name: str, size: int, seed: int) -> Family:
    """Clouds of one specimen of a family, every one turned at random."""
    generator = np.random.default_rng([seed, HELD_OUT.index(name)])
    number = TEMPLATES + GOOD + len(KINDS) // 2
    points = draw_specimen(name, generator, number * size).points
    clouds = np.split(generator.permutation(points), number)
    chosen = ["normal"] * GOOD + list(generator.permutation(KINDS)[: len(KINDS) // 2])
    tests, masks = [], []
    for cloud, kind in zip(clouds[TEMPLATES:], chosen, strict=True):
        defect = DefectMix({kind: 1.0}, deform=0.0, one_side=0.0)(cloud, generator)
        tests.append(defect.points)
        masks.append(defect.mask)
    templates = [cloud @ random_rotation("so3", generator).T for cloud in clouds[:TEMPLATES]]
    return Family(templates, tests, masks)


def bank(
    encoder: PointTransformer | None, points: int | None, layers: tuple[int, ...]
) -> FittedModel:
    """PatchCore3D as it comes, but for what the encoder sees and which blocks speak."""
    recipe = replace(PatchCore3DConfig().recipe(), most_points=points, layers=layers)
    describe = described("fpfh" if encoder is None else "transformer", recipe, encoder)
    branch = Branch(describe, recipe.coreset, recipe.neighbours)
    detector = partial(BankDetector, [branch], object_score="max")
    return FittedModel(detector, partial(Registered, "robust", unit=recipe.unit))


def scores(data: Family, model: FittedModel) -> list[float]:
    """Object AUROC, point AUROC, point AP on one family."""
    model.fit([("it", data.templates)])
    found = [model(cloud, "it") for cloud in data.tests]
    objects = binary_metrics(
        np.array([each.pred_score for each in found]), [m.any() for m in data.masks]
    )
    maps = np.concatenate([each.anomaly_map for each in found])
    local = binary_metrics(maps, np.concatenate(data.masks))
    return [objects.auroc, local.auroc, local.average_precision]


def encoders(files: Sequence[Path]) -> Iterator[tuple[str, PointTransformer | None]]:
    """What fills the bank, by name."""
    yield "FPFH", None
    untrained = create_random(BUILTIN_POINTS, BUILTIN_TEXT, torch.Generator().manual_seed(0))
    yield "untrained", untrained.points
    yield "built-in", create_backbone("builtin").points
    for file in files:
        yield file.stem, load_point_language_model(file).points


def main() -> None:
    """Print or write one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--weights", type=Path, nargs="*", default=[])
    parser.add_argument("--points", type=int, nargs="+", default=[4096], help="grouped at most")
    parser.add_argument("--layers", type=int, nargs="+", default=(3, 7, 11), help="blocks, from 0")
    parser.add_argument("--size", type=int, default=8192, help="points of a cloud")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    given = parser.parse_args()
    make = partial(family, size=given.size, seed=given.seed)
    data = {name: make(name) for name in HELD_OUT}
    lines = ["| bank | points grouped | object AUROC | point AUROC | point AP | s/family |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    for name, encoder in encoders(given.weights):
        for points in given.points if encoder is not None else [None]:
            start = time.perf_counter()
            make_bank = partial(bank, encoder, points, tuple(given.layers))
            rows = np.array([scores(each, make_bank()) for each in data.values()])
            seconds = (time.perf_counter() - start) / len(data)
            values = " | ".join(f"{value:.3f}" for value in rows.mean(0))
            lines.append(f"| {name} | {points or '-'} | {values} | {seconds:.1f} |")
            print(lines[-1], flush=True)
    if given.out is not None:
        write_or_print("\n".join(lines) + "\n", given.out)


if __name__ == "__main__":
    main()
