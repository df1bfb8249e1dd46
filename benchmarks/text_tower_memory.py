"""Peak memory of a text tower: out of a whole open_clip checkpoint, and out of its conversion.

    python benchmarks/text_tower_memory.py [--model ViT-bigG-14]

Needs `open-clip-torch` for the shapes. The checkpoint is a file of zeros of the true size with all
tensors, those of images included; it takes no space on disks that store holes as holes. Each row is
a process of its own that reads the tower, then encodes two names with six prompt vectors. The
conversion, which `plane-anomalib weights get` makes once, is timed as well.
"""

from __future__ import annotations

import argparse
import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

ALIGNMENT = 8


def write_zeros(path: Path, shapes: dict[str, tuple[int, ...]]) -> int:
    """Write a safetensors file of float32 zeros as one hole; bytes of its tensors."""
    header: dict[str, object] = {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 4 * torch.Size(shape).numel()
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return end


def checkpoint_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Every tensor of an open_clip model."""
    import open_clip

    config = open_clip.get_model_config(name)
    if config is None:
        raise SystemExit(f"open_clip has no model {name}.")
    with torch.device("meta"):
        model = open_clip.model.CLIP(**config)
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}


def encode(path: Path, dtype: str) -> None:
    """Read the tower, encode, and print peak and time as JSON."""
    from plane_anomalib.backbones.encoder_files import read_text_tower
    from plane_anomalib.backbones.text_encoder import TextEncoder

    before = peak()
    start = time.perf_counter()
    config, state = read_text_tower(path, dtype=getattr(torch, dtype))
    with torch.device("meta"):
        tower = TextEncoder(config)
    tower.load_state_dict({n.removeprefix("text."): t for n, t in state.items()}, assign=True)
    read = time.perf_counter() - start
    start = time.perf_counter()
    with torch.no_grad():
        embedded = torch.zeros(2, 12, config.width, dtype=tower.position.dtype)
        tower(embedded, torch.tensor([11, 11]))
    seconds = time.perf_counter() - start
    size = sum(tensor.nbytes for tensor in state.values())
    row = {"before": before, "peak": peak(), "size": size, "read": read, "encode": seconds}
    print(json.dumps(row))


def convert_file(path: Path, out: Path) -> None:
    """Convert, and print peak and time as JSON."""
    from plane_anomalib.backbones.conversion import convert

    start = time.perf_counter()
    convert(path, out)
    print(json.dumps({"peak": peak(), "seconds": time.perf_counter() - start}))


def child(*arguments: str | Path) -> dict[str, float]:
    """What another process of this script prints."""
    command = [sys.executable, __file__, *map(str, arguments)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    row: dict[str, float] = json.loads(found.splitlines()[-1])
    return row


def peak() -> int:
    """Largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Print one Markdown row per type."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="ViT-bigG-14")
    parser.add_argument("--encode", nargs=2, metavar=("FILE", "TYPE"), help=argparse.SUPPRESS)
    parser.add_argument("--convert", nargs=2, metavar="FILE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.convert:
        convert_file(*map(Path, given.convert))
        return
    if given.encode:
        encode(Path(given.encode[0]), given.encode[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "open_clip.safetensors"
        size = write_zeros(path, checkpoint_shapes(given.model))
        print(f"{given.model}: {size / 1e9:.2f} GB with images\n")
        out = Path(folder) / "converted.safetensors"
        row = child("--convert", path, out)
        made = f"{out.stat().st_size / 1e9:.2f} GB, peak {row['peak'] / 1e9:.2f} GB"
        print(f"conversion: {made}, {row['seconds']:.0f} s\n")
        print("| file | type | tower GB | peak GB | of it before reading | read s | encode s |")
        print("|---|---|---:|---:|---:|---:|---:|")
        for name, file in (("whole", path), ("converted", out)):
            for dtype in ("float32", "bfloat16"):
                row = child("--encode", file, dtype)
                sizes = " | ".join(f"{row[key] / 1e9:.2f}" for key in ("size", "peak", "before"))
                times = f"{row['read']:.1f} | {row['encode']:.2f}"
                print(f"| {name} | {dtype} | {sizes} | {times} |", flush=True)


if __name__ == "__main__":
    main()
