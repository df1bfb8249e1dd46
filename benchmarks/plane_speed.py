"""Time of PLANE at the size of ULIP-2, from a file to a score per point, stage by stage.

    python benchmarks/plane_speed.py [--points 200000] [--precision 32 bf16] [--out FILE]

The model has ULIP-2's shape (12 blocks of width 384, 512 groups of 32, the 12-block SLIP text
encoder with dynamic prompts, settings of `configs/models/plane_paper.yaml`) and random weights,
which take the same time as trained ones. `limit s` is the arithmetic of a stage at the speed of a
large matrix product on the same machine, just measured; stages without products have none. The
cloud is a binary .pcd of a built-in shape.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from clouds import clouds
from output import write_or_print

from plane_anomalib.backbones.encoders import create_random
from plane_anomalib.backbones.layers import hold
from plane_anomalib.backbones.point_transformer import PointTransformerConfig
from plane_anomalib.backbones.text_encoder import TextEncoderConfig
from plane_anomalib.benchmark.training import count_cost
from plane_anomalib.formats.io import read_points
from plane_anomalib.formats.writer import write_points
from plane_anomalib.models.plane import torch_model
from plane_anomalib.models.plane.config import PlaneConfig
from plane_anomalib.models.plane.inputs import InputSettings
from plane_anomalib.models.plane.torch_model import PlaneModel

#: The paper's speed, "Ours" in its Fig. 5, on an RTX 3090.
REPORTED = 1.53
Seconds = dict[str, list[float]]


def create_model(dtype: torch.dtype = torch.float32) -> PlaneModel:
    """PLANE of the paper on random weights of ULIP-2's shape."""
    backbone = create_random(
        PointTransformerConfig(), TextEncoderConfig(), torch.Generator().manual_seed(0)
    )
    hold(backbone, dtype)
    config = PlaneConfig(
        layers=(2, 5, 8, 11),
        num_groups=None,
        local_geometry=False,
        template_context=False,
        pose="none",
        num_views=1,
        learnable_temperature=False,
        object_score="max",
        adapter_hidden=512,
        adapter_depth=1,
        resolution="groups",
        temperature=1.0,
    )
    return PlaneModel(config, backbone, ["cup0"]).eval()


@contextmanager
def watched(model: PlaneModel, seconds: Seconds) -> Iterator[None]:
    """Note how long the stages of the model take."""

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = call(*args, **named)
            seconds[name].append(time.perf_counter() - start)
            return result

        return run

    points = model.backbone.points
    stages = [
        (InputSettings, "views", "subsample"),
        (points, "group", "sampling and grouping"),
        (points.encoder, "forward", "mini-PointNet"),
        *((block, "forward", "transformer blocks") for block in points.blocks),
        (model.text_prompts, "forward", "text encoder"),
        *((adapter, "forward", "adapters") for adapter in model.adapters),
        (torch_model, "interpolate_to_points", "scores to all points"),
    ]
    with ExitStack() as stack:
        for owner, name, stage in stages:
            stack.enter_context(patch.object(owner, name, timed(stage, getattr(owner, name))))
        yield


def products_by_stage(model: PlaneModel, run: Callable[[], object]) -> dict[str, int]:
    """Operations of the matrix products of each stage, in one call."""
    counts: dict[str, int] = defaultdict(int)
    points, text = model.backbone.points, model.backbone.text
    parts = [
        (points.encoder, "mini-PointNet"),
        *((block, "transformer blocks") for block in points.blocks),
        *((block, "text encoder") for block in text.blocks),
        *((adapter, "adapters") for adapter in model.adapters),
    ]
    for module, stage in parts:
        forward = module.forward

        def counted(
            *args: Any, stage: str = stage, forward: Callable[..., Any] = forward, **named: Any
        ) -> Any:
            results: list[Any] = []
            cost = count_cost(torch.nn.Identity(), lambda: results.append(forward(*args, **named)))
            counts[stage] += cost.products
            return results[0]

        module.forward = counted
    try:
        run()
    finally:
        for module, _ in parts:
            del module.forward
    return counts


def product_speed(dtype: torch.dtype) -> float:
    """Operations per second of a large matrix product."""
    a, b = torch.randn(2, 2048, 2048).to(dtype)
    a @ b
    times = []
    for _ in range(5):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(times)


def measure(model: PlaneModel, path: Path, dtype: torch.dtype, rounds: int) -> list[str]:
    """Markdown lines of one precision."""

    def run() -> None:
        model(read_points(path).points, "cup0")

    for _ in range(2):
        run()
    products, whole = products_by_stage(model, run), count_cost(model, run)
    seconds: Seconds = defaultdict(list)
    total = []
    with watched(model, seconds):
        for _ in range(rounds):
            start = time.perf_counter()
            run()
            total.append(time.perf_counter() - start)
    speed = product_speed(dtype)
    whole_s = statistics.median(total)
    stages = {stage: sum(each) / rounds for stage, each in seconds.items()}
    stages["reading the file and the rest"] = sum(total) / rounds - sum(stages.values())
    name = str(dtype).removeprefix("torch.")
    lines = [
        f"{name}: {1 / whole_s:.2f} clouds/s (median of {rounds}); a large product runs at "
        f"{speed / 1e9:.0f} GFLOP/s.",
        "",
        "| stage | s | GFLOP | limit s |",
        "|---|---:|---:|---:|",
    ]
    for stage, value in stages.items():
        flop = products.get(stage, 0)
        limit = f"{flop / 1e9:.2f} | {flop / speed:.3f}" if flop else "- | -"
        lines.append(f"| {stage} | {value:.3f} | {limit} |")
    flop = whole.products
    lines.append(f"| **all** | {whole_s:.3f} | {flop / 1e9:.2f} | {flop / speed:.3f} |")
    lines += [
        "",
        f"{whole.parameters / 1e6:.1f} M parameters, {whole.trainable / 1e6:.2f} M of them "
        f"trained; {whole.distances / 1e9:.2f} GFLOP of distances if every pair were compared.",
        "",
    ]
    return lines


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--points", type=int, default=200_000)
    parser.add_argument("--precision", nargs="+", choices=["32", "bf16"], default=["32", "bf16"])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    given = parser.parse_args()
    dtypes = {"32": torch.float32, "bf16": torch.bfloat16}
    lines = [
        f"PLANE at ULIP-2's size, a file of {given.points:,} points to a score per point; "
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, load "
        f"before {os.getloadavg()[0]:.2f}. The paper reports {REPORTED} clouds/s on an RTX 3090.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cup0.pcd"
        write_points(path, next(clouds(given.points, 1)))
        for precision in given.precision:
            dtype = dtypes[precision]
            model = create_model(dtype)
            with torch.inference_mode():
                lines += measure(model, path, dtype, given.rounds)
    text = "\n".join(lines)
    write_or_print(text, given.out)


if __name__ == "__main__":
    main()
