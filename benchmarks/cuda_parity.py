"""The same results on a GPU as on the CPU, and in what time: one table from one command.

    python benchmarks/cuda_parity.py [--points 200000] [--out FILE]

Everything that can run on a GPU is computed on both from the same random weights and clouds. The
exit code is 1 if anything differs by more than its line allows. Times are medians after a warm-up;
those of the GPU include the way of the data there and back where a user's call would.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from clouds import clouds
from output import write_or_print
from plane_speed import create_model
from torch import Tensor

from plane_anomalib.backbones.encoders import create_random
from plane_anomalib.backbones.point_transformer import PointTransformerConfig
from plane_anomalib.backbones.text_encoder import TextEncoderConfig
from plane_anomalib.core.provenance import hardware
from plane_anomalib.models.components.bank_detector import compose
from plane_anomalib.models.components.coreset import greedy_coreset
from plane_anomalib.models.components.memory_bank import MemoryBank
from plane_anomalib.models.components.method import Method
from plane_anomalib.models.patchcore3d import PatchCore3DConfig

ROUNDS = 5


class Check(NamedTuple):
    """One line of the table: `difference` of the two results and what it may be."""

    name: str
    difference: float
    allowed: float
    cpu_s: float
    gpu_s: float


def timed(call: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """The result and the median time of a call."""
    result, times = call(), []
    for _ in range(ROUNDS):
        torch.cuda.synchronize()
        start = time.perf_counter()
        result = call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times)


def compared(
    name: str, allowed: float, cpu: Callable[[], Tensor], gpu: Callable[[], Tensor]
) -> Check:
    """Relative difference of two computations, and their times."""
    (expected, cpu_s), (found, gpu_s) = timed(cpu), timed(gpu)
    gap = (found.double().cpu() - expected.double().cpu()).norm()
    return Check(name, float(gap / expected.double().norm()), allowed, cpu_s, gpu_s)


def encoders(generator: torch.Generator) -> Iterator[Check]:
    """Point and text encoder at ULIP-2's size."""
    model = create_random(PointTransformerConfig(), TextEncoderConfig(), generator)
    points = torch.randn(4, 2048, 3, generator=generator)
    points = points / points.norm(dim=-1, keepdim=True) * torch.rand(4, 2048, 1).sqrt()
    rows = torch.randn(8, 12, model.text_width, generator=generator)
    end = torch.full((8,), 11)
    other = create_random(
        PointTransformerConfig(), TextEncoderConfig(), torch.Generator().manual_seed(0)
    )
    other.load_state_dict(model.state_dict())
    other.cuda()
    there = points.cuda(), rows.cuda(), end.cuda()

    def encode(net: torch.nn.Module, cloud: Tensor) -> Tensor:
        features = net(cloud, layers=(2, 5, 8, 11))
        return torch.cat([features.tokens[i] for i in (2, 5, 8, 11)], -1)

    yield compared(
        "point encoder, 4 clouds x 512 groups",
        1e-4,
        lambda: encode(model.points, points),
        lambda: encode(other.points, there[0]),
    )
    yield compared(
        "text encoder, 8 rows",
        1e-4,
        lambda: model.text(rows, end),
        lambda: other.text(there[1], there[2]),
    )


def banks(generator: torch.Generator) -> Iterator[Check]:
    """Nearest rows and the coreset."""
    rows = torch.randn(40_000, 33, generator=generator)
    queries = torch.randn(20_000, 33, generator=generator)
    here, there = MemoryBank(), MemoryBank().cuda()
    here.fill(rows)
    there.fill(rows)
    near = queries.cuda()
    yield compared(
        "memory bank, 20,000 queries x 40,000 rows",
        1e-6,
        lambda: here.nearest(queries, 3)[0],
        lambda: there.nearest(near, 3)[0],
    )
    moved = rows.cuda()

    def radius(kept: Tensor) -> Tensor:
        bank = MemoryBank()
        bank.fill(rows[kept.cpu()])
        return bank.nearest(rows)[0].max()

    picked, cpu_s = timed(lambda: greedy_coreset(rows, 2_000, seed=0))
    found, gpu_s = timed(lambda: greedy_coreset(moved, 2_000, seed=0))
    expected = radius(picked)
    gap = float((radius(found) - expected).abs() / expected)
    yield Check("coreset, 2,000 of 40,000 rows (covering radius)", gap, 0.02, cpu_s, gpu_s)


def models(num_points: int) -> Iterator[Check]:
    """PLANE and PatchCore3D from points to scores."""
    cloud, template, test = (torch.from_numpy(each) for each in clouds(num_points, 3))
    length = torch.tensor([num_points])
    here, there = create_model(), create_model().cuda()

    def scores(net: Method, points: Tensor) -> Tensor:
        return net.score_packed(points, length, ["cup0"]).anomaly_map.cpu()

    yield compared(
        f"PLANE at ULIP-2's size, {num_points:,} points",
        1e-3,
        lambda: scores(here, cloud),
        lambda: scores(there, cloud.cuda()),
    )
    config = PointTransformerConfig()
    encoder = create_random(config, TextEncoderConfig(), torch.Generator().manual_seed(1)).points
    fitted = compose(PatchCore3DConfig(descriptor="builtin", coreset_size=1_000), encoder)
    fitted.fit([("cup0", [template.numpy()])])
    expected, cpu_s = timed(lambda: scores(fitted, test))
    encoder.cuda()
    fitted.cuda()
    found, gpu_s = timed(lambda: scores(fitted, test.cuda()))
    gap = float((found - expected).norm() / expected.norm())
    yield Check(f"PatchCore3D, transformer, {num_points:,} points", gap, 1e-3, cpu_s, gpu_s)


def main() -> None:
    """Compare, print or write, and say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--points", type=int, default=200_000)
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("There is no CUDA GPU here: this compares one with the CPU.")
    torch.manual_seed(0)
    lines = [
        f"{torch.cuda.get_device_name()} beside {os.cpu_count()} cores of {hardware().cpu}; "
        f"torch {torch.__version__}, float32.",
        "",
        "| computation | relative difference | allowed | CPU s | GPU s | ratio |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    failed = False
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        for part in (encoders(generator), banks(generator), models(given.points)):
            for check in part:
                failed |= not check.difference <= check.allowed
                lines.append(
                    f"| {check.name} | {check.difference:.1e} | {check.allowed:.0e} "
                    f"| {check.cpu_s:.4f} | {check.gpu_s:.4f} | {check.cpu_s / check.gpu_s:.1f} |"
                )
                print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    if given.out is not None:
        write_or_print(text, given.out)
    sys.exit(failed)


if __name__ == "__main__":
    main()
