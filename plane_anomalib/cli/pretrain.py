"""`plane-anomalib pretrain`: make the weights of the built-in point-language model."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from plane_anomalib.pretraining.config import PretrainConfig


def add_arguments(parser: ArgumentParser) -> None:
    """Add the command's arguments to its parser."""
    parser.add_argument(
        "--config", metavar="FILE", type=Path, required=True, help="the recipe, as YAML"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="the weights; by default in the run's folder"
    )
    parser.add_argument(
        "--folder", metavar="DIR", type=Path, default=Path("results/pretrain"),
        help="for the checkpoint and the log (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--resume", metavar="DIR", type=Path, help="go on with the run in DIR")
    parser.add_argument(
        "--start", metavar="FILE", type=Path, help="begin with the weights of a finished run"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="instead of the recipe's")
    parser.add_argument(
        "--minutes", type=float, metavar="N", help="as many steps as fit into this time"
    )
    parser.add_argument("--device", help="cpu or cuda; by default cuda if there is one")
    parser.add_argument("--pool-workers", type=int, metavar="N", help="processes that draw shapes")
    parser.add_argument("--commit", metavar="TEXT", help="of the code, where git cannot say")


def run(arguments: Namespace) -> int:
    """Run the command.

    Args:
        arguments: What was parsed by a parser with `add_arguments`.

    Returns:
        The exit code; 130 if it was interrupted.

    Raises:
        PlaneAnomalibError: Whatever went wrong, in one sentence.
    """
    from plane_anomalib.pretraining.training import pretrain

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    folder = arguments.resume or arguments.folder
    result = pretrain(
        _config(arguments),
        arguments.out or folder / "builtin.safetensors",
        folder,
        _device(arguments.device),
        resume=arguments.resume is not None,
        start=arguments.start,
        commit=arguments.commit,
    )
    if result.finished:
        sys.stdout.write(f"{result.file} holds the weights after {result.steps} steps.\n")
        return 0
    sys.stdout.write(
        f"Stopped after {result.steps} steps. Go on with the same command and --resume {folder}\n"
    )
    return 130


def _config(arguments: Namespace) -> PretrainConfig:
    """The recipe, with what the command line has instead."""
    from dataclasses import replace

    from plane_anomalib.pretraining.config import load_config

    config = load_config(arguments.config)
    train, pool = config.train, config.pool
    if arguments.steps is not None:
        train = replace(train, steps=arguments.steps, minutes=None)
    if arguments.minutes is not None:
        train = replace(train, minutes=arguments.minutes)
    if arguments.pool_workers is not None:
        pool = replace(pool, workers=arguments.pool_workers)
    return replace(config, train=train, pool=pool)


def _device(name: str | None) -> torch.device:
    import torch

    from plane_anomalib.core.errors import ConfigurationError

    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigurationError(f"--device {name}: torch finds no GPU on this machine.")
    return torch.device(name)
