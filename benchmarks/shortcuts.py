"""PLANE's three exact shortcuts beside the full computation: how far apart, how much faster.

    python benchmarks/shortcuts.py [--rounds 15] [--out FILE]

- Text: a causal encoder need not go on after the end token, so rows are as long as their names need
  instead of the full context of 77 tokens.
- Prefix: what the static prompts of a class leave for the tokens after them is computed once, not
  per cloud.
- Mini-PointNet: the half of its widest layer that reads the maximum of a group is computed once per
  group, not per point.

Shapes are ULIP-2's, weights random. `difference` is the largest of any output, `largest` the
largest output itself. Full and short computations alternate; times are medians of the CPU time of
all threads, which other processes disturb less than the clock.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from output import write_or_print
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plane_anomalib.backbones.encoders import create_random
from plane_anomalib.backbones.layers import MiniPointNet
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointTransformerConfig
from plane_anomalib.backbones.text_encoder import TextEncoderConfig

#: Static and dynamic prompt vectors of the paper.
STATIC, DYNAMIC = 6, 1
NAMES = ["vase", "cup", "eraser", "helmet"]
Call = Callable[[], Tensor]


def full_context(model: PointLanguageModel, prompts: Tensor, names: list[str]) -> Tensor:
    """Names behind prompts in rows of the whole context, as CLIP's own code encodes them."""
    embed, tokenizer = model.text.token_embedding, model.tokenizer
    rows, ends = [], []
    for name, vectors in zip(names, prompts, strict=True):
        tokens = [*tokenizer.encode(f"{name}."), tokenizer.end]
        ends.append(len(vectors) + len(tokens))
        tokens += [0] * (model.text.config.context_length - 1 - len(vectors) - len(tokens))
        start = embed(torch.tensor([tokenizer.start]))
        rows.append(torch.cat([start, vectors, embed(torch.tensor(tokens))]))
    encoded: Tensor = model.text(torch.stack(rows), torch.tensor(ends))
    return encoded


def unsplit(network: MiniPointNet, groups: Tensor) -> Tensor:
    """The mini-PointNet as published: every point beside the maximum of its group."""
    num_groups, size, channels = groups.shape
    x = F.relu(network.norm1(network.linear1(groups.reshape(-1, channels))))
    x = network.linear2(x).view(num_groups, size, -1)
    beside = x.amax(1, keepdim=True).expand(-1, size, -1)
    x = network.linear3(torch.cat([beside, x], -1).flatten(0, 1))
    x = network.linear4(F.relu(network.norm2(x)))
    return x.view(num_groups, size, -1).amax(1)


def pairs(model: PointLanguageModel) -> dict[str, tuple[Call, Call]]:
    """Full and short computation of each shortcut."""
    draw = torch.Generator().manual_seed(1)
    names = [name for name in NAMES for _ in range(2)]
    width, rows = model.text_width, len(names)
    static = 0.02 * torch.randn(2, STATIC, width, generator=draw)
    dynamic = 0.02 * torch.randn(rows, DYNAMIC, width, generator=draw)
    prompts = torch.cat([static.repeat(len(NAMES), 1, 1), dynamic], 1)
    prefix = model.encode_prefix(static)
    # Rows alternate between the polarities; `repeated` keeps each one's together.
    places = torch.arange(rows).view(-1, 2).T.flatten()
    kept = prefix.repeated(len(NAMES))
    groups = 0.1 * torch.randn(512, 32, 3, generator=draw)
    encoder = model.points.encoder
    back = places.argsort()
    return {
        f"text: {rows} rows as long as needed, not 77 tokens": (
            lambda: full_context(model, prompts, names),
            lambda: model.encode_text(prompts, names),
        ),
        f"prefix: {STATIC} static prompts of {rows} rows encoded once": (
            lambda: model.encode_text(prompts, names),
            lambda: model.encode_text(dynamic[places], [names[i] for i in places], after=kept)[
                back
            ],
        ),
        "mini-PointNet: 512 groups of 32, widest layer split": (
            lambda: unsplit(encoder, groups),
            lambda: encoder(groups),
        ),
    }


def measure(full: Call, short: Call, rounds: int) -> tuple[float, float, float, float]:
    """Largest difference, largest value, and seconds of both."""
    expected, found = full(), short()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for call, times in zip((full, short), seconds, strict=True):
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
    difference = (found - expected).abs().max().item()
    slow, fast = (statistics.median(times) for times in seconds)
    return difference, expected.abs().max().item(), slow, fast


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, help="Markdown file; printed without it")
    given = parser.parse_args()
    model = create_random(
        PointTransformerConfig(), TextEncoderConfig(), torch.Generator().manual_seed(0)
    )
    lines = [
        f"PLANE's exact shortcuts at ULIP-2's size, float32; {platform.machine()}, "
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, load before "
        f"{os.getloadavg()[0]:.2f}; CPU seconds, medians of {given.rounds}.",
        "",
        "| shortcut | difference | largest | full s | short s | full / short |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    with torch.inference_mode():
        for name, (full, short) in pairs(model).items():
            difference, largest, slow, fast = measure(full, short, given.rounds)
            lines.append(
                f"| {name} | {difference:.1e} | {largest:.2f} | {slow:.4f} | {fast:.4f} | "
                f"{slow / fast:.1f} |"
            )
    text = "\n".join([*lines, ""])
    write_or_print(text, given.out)


if __name__ == "__main__":
    main()
