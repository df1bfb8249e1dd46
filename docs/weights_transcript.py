"""From published weights to a tested PLANE, every command as typed, on this machine alone.

    PYTHONPATH=. python docs/weights_transcript.py ROOT [--category cup1] [--steps 20]

ROOT holds categories in the layout of Anomaly-ShapeNet. A server on this machine plays the Hugging
Face hub: it holds one file of ULIP-2's name, size and layout with made-up weights (those of the
parity tests), and drops the connection on the way. Everything that the commands write goes to a
temporary folder; commands and what they print go to standard output.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

from plane_anomalib.backbones.weights.catalogue import CATALOGUE, HubFile
from plane_anomalib.backbones.weights.store import FOLDER_VARIABLE, converted_path
from tests.parity.reference_weights import reference_state
from tests.support.web import Page, web

NAME = "ulip2-xyz"
#: Progress bars, colours, and warnings of libraries say nothing about weights.
_NOISE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|^.*(Warning:|warnings\.warn|it/s\]).*$", re.MULTILINE)


def official_file(path: Path) -> bytes:
    """A full-size checkpoint as ULIP-2 publishes them."""
    state = reference_state("ulip_pointbert_slip", 7)
    named = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": named, "epoch": 3, "args": argparse.Namespace(lr=1e-3)}, path)
    content = path.read_bytes()
    path.unlink()
    return content


def show(folder: Path, variables: Mapping[str, str], *command: str, longest: int = 60) -> int:
    """Run a command in a folder, and print both; returns its exit status."""
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [program, *command[1:]],
        cwd=folder,
        env=os.environ | {"COLUMNS": "120", "PYTHONWARNINGS": "ignore"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    printed = _NOISE.sub("", done.stdout.replace("\r", "\n"))
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    print(f"$ {shlex.join(command)}", *lines[-longest:], sep="\n")
    if done.returncode:
        print(f"[exit status {done.returncode}]")
    print(flush=True)
    return done.returncode


def transcript(root: Path, category: str, steps: int, folder: Path) -> None:
    """Run all commands.

    Args:
        root: Of the data.
        category: The one that is trained on.
        steps: Of training.
        folder: Where everything goes.
    """
    entry = CATALOGUE[NAME]
    assert isinstance(entry.source, HubFile)  # noqa: S101
    content = official_file(folder / "made.pt")
    os.environ[FOLDER_VARIABLE] = str(folder / "weights")
    with web() as server:
        path = f"/datasets/{entry.source.repository}/resolve/main/{entry.source.path}"
        headers = {"X-Repo-Commit": "a" * 40, "Accept-Ranges": "bytes"}
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        page = Page(content, etag=tag, headers=headers, cuts=[len(content) // 3])
        server.add(path, page)
        hub = {"HF_ENDPOINT": server.url, "HF_HOME": str(folder / "hub")}
        show(folder, hub, "plane-anomalib", "weights", "get", NAME)
        show(folder, hub, "plane-anomalib", "weights", "get", NAME, "--accept-terms")
        print(f"(The server was asked for {page.starts}.)\n")
    original = next((folder / "hub").rglob(entry.file))
    relative = str(original.relative_to(folder))
    show(folder, {}, "plane-anomalib", "weights", "list")
    show(folder, {}, "plane-anomalib", "weights", "verify", NAME)
    own = "own.safetensors"
    show(folder, {}, "plane-anomalib", "weights", "convert", relative, "--out", own)
    show(folder, {}, "plane-anomalib", "weights", "verify", own)
    same = (folder / own).stat().st_size, converted_path(entry).stat().st_size
    print(f"(Bytes of the conversion by name and of this one: {same[1]:,} and {same[0]:,}.)\n")
    model = ["--model", "Plane", "--model.backbone", own, "--model.num_groups", "64"]
    model += ["--model.num_views", "1", "--model.visualizer", "false"]
    data = ["--data", "AnomalyShapeNet", "--data.root", str(root), "--data.category", category]
    show(folder, {}, "anomalib", "train", *model, "--model.max_steps", str(steps), *data)
    (checkpoint,) = (folder / "results").rglob("model.ckpt")
    again = ["--ckpt_path", str(checkpoint.relative_to(folder))]
    show(folder, {}, "anomalib", "test", *model, *data, *again)


def main() -> None:
    """Print the transcript."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("root", type=Path)
    parser.add_argument("--category", default="cup1")
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        transcript(given.root.resolve(), given.category, given.steps, Path(folder))


if __name__ == "__main__":
    main()
