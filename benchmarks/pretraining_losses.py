"""What each loss of the built-in model's pretraining is worth.

    python benchmarks/pretraining_losses.py --folder results/losses [--config FILE] [--out FILE]

The package's weights go on for the same few steps with every loss and without each: minutes on two
cores are too few to begin from nothing. Then the measurements of the model card, on shapes that no
run saw: names, groups through text anchors alone, and a plain memory bank of the frozen features
(`builtin_features.py`). Stop it with Ctrl-C and go on with the same command.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from builtin_features import Family, bank, family, scores
from output import write_or_print

from plane_anomalib.backbones.encoder_files import load_point_language_model
from plane_anomalib.backbones.point_transformer import PointTransformer
from plane_anomalib.backbones.weights.store import builtin_path
from plane_anomalib.generation.shapes.catalogue import HELD_OUT
from plane_anomalib.pretraining.config import PretrainConfig, load_config
from plane_anomalib.pretraining.training import pretrain

LEFT_OUT: dict[str, tuple[str, ...]] = {
    "all losses": (),
    "without contrast": ("contrast",),
    "without masked points": ("masked",),
    "without pseudo-anomalies": ("segmentation", "state"),
    "without normals, curvature": ("normals", "curvature"),
}
"""Names of the losses at weight 0, by row."""

METRICS = ("seen_name_top1", "seen_group_auroc", "held_out_group_auroc")
_POINTS = 4096


def trained(
    config: PretrainConfig, name: str, folder: Path
) -> tuple[PointTransformer, dict[str, float]] | None:
    """The encoder of one row with its metrics on held-out shapes; None if it was stopped."""
    own = folder / name.replace(",", "").replace(" ", "_")
    zero: dict[str, Any] = dict.fromkeys(LEFT_OUT[name], 0.0)
    run = replace(config, losses=replace(config.losses, **zero))
    weights, begun = own / "weights.safetensors", (own / "checkpoint.pt").exists()
    start = None if begun else builtin_path()
    found = pretrain(run, weights, own, torch.device("cpu"), resume=begun, start=start)
    if found.file is None:
        return None
    return load_point_language_model(found.file).points, found.metrics


def row(name: str, data: list[Family], encoder: PointTransformer, metrics: dict[str, float]) -> str:
    """One line of the table."""
    cells = [f"{metrics[key]:.3f}" if key in metrics else "-" for key in METRICS]
    means = np.mean([scores(each, bank(encoder, _POINTS, (3, 7, 11))) for each in data], axis=0)
    return "| " + " | ".join([name, *cells, *(f"{mean:.3f}" for mean in means)]) + " |"


def main() -> None:
    """Print or write one Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--config", default="plane_anomalib/configs/pretrain/losses_cpu.yaml")
    parser.add_argument("--folder", type=Path, required=True, help="for the runs")
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = load_config(given.config)
    data = [family(name, 8192, seed=0) for name in HELD_OUT]
    lines = [
        "| 160 steps more | names | groups | groups, held out | object AUROC | point AUROC "
        "| point AP |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in LEFT_OUT:
        found = trained(config, name, given.folder)
        if found is None:
            return
        lines.append(row(name, data, *found))
        print(lines[-1], flush=True)
    write_or_print("\n".join(lines) + "\n", given.out)


if __name__ == "__main__":
    main()
