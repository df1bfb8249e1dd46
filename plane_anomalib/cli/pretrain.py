"""`plane-anomalib pretrain`: make the weights of the built-in point-language model."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path


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
    from dataclasses import replace

    import torch

    from plane_anomalib.core.errors import ConfigurationError
    from plane_anomalib.pretraining.config import load_config
    from plane_anomalib.pretraining.training import pretrain

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
    config = load_config(arguments.config)
    train, pool = config.train, config.pool
    if arguments.steps is not None:
        train = replace(train, steps=arguments.steps, minutes=None)
    if arguments.minutes is not None:
        train = replace(train, minutes=arguments.minutes)
    if arguments.pool_workers is not None:
        pool = replace(pool, workers=arguments.pool_workers)
    name = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigurationError(f"--device {name}: torch finds no GPU on this machine.")
    folder = arguments.resume or arguments.folder
    outcome = pretrain(
        replace(config, train=train, pool=pool),
        arguments.out or folder / "builtin.safetensors",
        folder,
        torch.device(name),
        resume=arguments.resume is not None,
        start=arguments.start,
        commit=arguments.commit,
    )
    if outcome.finished:
        sys.stdout.write(f"{outcome.file} holds the weights after {outcome.steps} steps.\n")
        return 0
    sys.stdout.write(
        f"Stopped after {outcome.steps} steps. Go on with the same command and --resume {folder}\n"
    )
    return 130
