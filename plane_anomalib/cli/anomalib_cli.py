"""anomalib's command line, with what point clouds need added to it.

Models that are not for point clouds keep anomalib's behaviour: every addition asks first.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from pydoc import locate
from typing import Any

from anomalib.cli.cli import AnomalibCLI
from anomalib.data import AnomalibDataModule
from anomalib.engine import Engine
from anomalib.loggers import configure_logger
from anomalib.models import AnomalibModule
from anomalib.utils.path import create_versioned_dir
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.utilities import rank_zero_only

from plane_anomalib.cli import commands
from plane_anomalib.cli.terminal import one_sentence_errors
from plane_anomalib.core.errors import ConfigurationError, what_was_meant
from plane_anomalib.core.registry import DATASETS, MODELS, Registry
from plane_anomalib.models.lightning.base import PointCloudMixin

DEFAULT_DATA = "ProceduralShapes"

_KEY = re.compile(r'Parser key "(?P<key>model|data)":')
_UNKNOWN_NAME = re.compile(r"Expected a dot import path string: (?P<name>\w+)\n")
_WRONG_ARGUMENT = re.compile(
    r"Problem with given class_path '(?P<path>[\w.]+)':\s*(?P<reason>.*?)\s*Given value type", re.S
)
_UNKNOWN_OPTION = re.compile(r"Option '(?P<option>\w+)' is not accepted")
_WRONG_TYPE = re.compile(
    r"Parser key \"(?P<option>[\w.]+)\":\s*Expected a <class '(?P<type>[\w.]+)'>\. "
    r"Got value: (?P<value>[^\n]*)"
)


class PointCloudCLI(AnomalibCLI):
    """`anomalib` for point clouds.

    What it adds: built-in data when a point-cloud model is given none, `predict` on files and
    folders of clouds, `--seed_everything` (parsed and never used upstream) handed on to the model
    and the data, a run directory that a later `train` can live with, errors of one sentence, and
    the commands of `commands.py`.

    Args:
        args: What was typed, without the program's name; default `sys.argv[1:]`.
        run: Run the subcommand at once.
    """

    def __init__(self, args: Sequence[str] | None = None, run: bool = True) -> None:
        self._typed = list(sys.argv[1:] if args is None else args)
        if run and commands.is_ours(self._typed):
            raise SystemExit(commands.run(self._typed))
        with one_sentence_errors():
            super().__init__(args, run)

    def add_subcommands(self, **kwargs: Any) -> None:
        """Add anomalib's subcommands, with better words for what goes wrong in them."""
        super().add_subcommands(**kwargs)
        for name, command in commands.COMMANDS.items():
            # For --help; they have been run before anything is parsed.
            self.parser._subcommands_action.add_subcommand(
                name, ArgumentParser(), help=command.help
            )
        for parser in self.subcommand_parsers.values():
            parser.error = partial(self._parser_error, parser.error)
        for base in (AnomalibModule, AnomalibDataModule):
            self.parser.add_instantiator(_instantiate, base)

    def before_instantiate_classes(self) -> None:
        """Complete what was parsed, if it names a point-cloud model."""
        super().before_instantiate_classes()
        section = self.config[self.subcommand]
        if not isinstance(section, Namespace) or not _is_point_cloud_model(section.get("model")):
            return
        if self.subcommand in {*self.subcommands(), "train"} and section.get("data") is None:
            sys.stderr.write(
                f"No --data given: using {DEFAULT_DATA}, built-in shapes that are made on first "
                f"use (others: {', '.join(n for n in DATASETS.names if n != DEFAULT_DATA)}).\n"
            )
            section["data"] = _parsed_datamodule(DEFAULT_DATA)
        if isinstance(section.get("data"), str | Path):
            _require_path(Path(section["data"]))
        _hand_on_seed(section)

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        """Read a path given to `predict` as point clouds; anomalib would look for images."""
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        if "data_path" in kwargs and _is_point_cloud_model(self.config[subcommand].get("model")):
            from plane_anomalib.data.dataset import PointCloudPredictDataset

            kwargs["dataset"] = PointCloudPredictDataset(kwargs.pop("data_path"))
        return kwargs

    def _run_subcommand(self) -> None:
        """Run, after a look at where the results go."""
        if isinstance(self.model, PointCloudMixin) and isinstance(
            self.datamodule, AnomalibDataModule
        ):
            results = Path(self._get(self.config_init, "default_root_dir"))
            data = self.datamodule
            runs = results / self.model.name / data.name / (data.category or "")
            if rank_zero_only.rank == 0:
                _prepare_runs(runs, self.subcommand)
            else:
                _join_run(self.engine)
        super()._run_subcommand()

    def _parser_error(
        self, stock_error: Callable[..., None], message: str, ex: Exception | None = None
    ) -> None:
        """Explain in one sentence what concerns this package; leave the rest to anomalib."""
        sentence = explain(message, self._typed)
        if sentence:
            raise ConfigurationError(sentence)
        stock_error(message, ex)


def run() -> None:
    """Run anomalib's command line with this package's models and datasets."""
    configure_logger()
    PointCloudCLI()


def _instantiate(class_type: type, *args: Any, **kwargs: Any) -> Any:
    """Make a model or datamodule; jsonargparse would bury its error in a report of its own."""
    with one_sentence_errors():
        return class_type(*args, **kwargs)


def _is_point_cloud_model(config: Any) -> bool:
    found = locate(config.class_path) if isinstance(config, Namespace) else None
    return isinstance(found, type) and issubclass(found, PointCloudMixin)


def _parsed_datamodule(name: str) -> Namespace:
    """A datamodule's class path and default arguments, as if its name had been typed."""
    datamodule = DATASETS.get(name)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(AnomalibDataModule, "data")
    class_path = f"{datamodule.__module__}.{datamodule.__qualname__}"
    return parser.parse_object({"data": {"class_path": class_path}})["data"]


def _require_path(path: Path) -> None:
    """Refuse a `--data` that is neither a datamodule nor a path.

    Raises:
        ConfigurationError: Nothing is there.
    """
    if not path.exists():
        raise ConfigurationError(
            f"--data {path}: there is no such file or folder. {DATASETS.unknown(path.name)}"
        )


def _prepare_runs(runs: Path, subcommand: str) -> None:
    """Keep `latest` the link to the newest run that anomalib's `train` takes it for.

    A stock `test` or `predict` before any training makes a folder of that name instead, and the
    next `train` dies of it: here they get a numbered folder and the link.

    Args:
        runs: The folder of `v0`, `v1`, ... and `latest`.
        subcommand: What is about to run.

    Raises:
        ConfigurationError: `latest` is a folder already, and a training would trip over it.
    """
    latest = runs / "latest"
    if subcommand in {"test", "predict"} and not os.path.lexists(latest):
        create_versioned_dir(runs)
    elif subcommand in {"train", "fit"} and latest.is_dir() and latest.resolve().name == "latest":
        raise ConfigurationError(
            f"{latest} is a folder, where anomalib keeps a link to the newest run: rename it, or "
            "give another --default_root_dir."
        )


def _join_run(engine: Engine) -> None:
    """Take the run directory that the first process made; each would make the next number.

    Args:
        engine: Of a process that the first one started for distributed training.
    """
    set_up = engine._setup_workspace

    def joined(*args: Any, **kwargs: Any) -> None:
        set_up(*args, **kwargs | {"versioned_dir": False})

    engine._setup_workspace = joined


def _hand_on_seed(section: Namespace) -> None:
    """Give `--seed_everything NUMBER` to a model and datamodule whose `seed` is at its default."""
    seed = section.get("seed_everything")
    if isinstance(seed, bool) or not isinstance(seed, int):
        return
    for key in ("model", "data"):
        config = section.get(key)
        if not isinstance(config, Namespace) or "seed" not in config.get("init_args", {}):
            continue
        parameter = inspect.signature(locate(config.class_path)).parameters.get("seed")  # type: ignore[arg-type]
        if parameter is not None and config.init_args.seed == parameter.default:
            config.init_args.seed = seed


def explain(message: str, typed: Sequence[str]) -> str | None:
    """One sentence for a parser's message about `--model` or `--data`.

    Args:
        message: jsonargparse's message, several lines.
        typed: The command line; a message about an unknown dataset is taken to concern this
            package if one of its models is named there.

    Returns:
        The sentence, or None if the message is not about this package.

    Raises:
        PlaneAnomalibError: The name is known but the class behind it cannot be imported.
    """
    key = _KEY.search(message)
    if key is None:
        return None
    registry = MODELS if key["key"] == "model" else DATASETS
    unknown = _UNKNOWN_NAME.search(message)
    if unknown:
        return _unknown_name(registry, unknown["name"], typed)
    wrong = _WRONG_ARGUMENT.search(message)
    if wrong:
        name = wrong["path"].rpartition(".")[2]
        if name in registry.entries:
            return f"--{key['key']}{_wrong_argument(registry, name, wrong['reason'])}"
    return None


def _unknown_name(registry: Registry, name: str, typed: Sequence[str]) -> str | None:
    if name in registry.entries:
        registry.get(name)  # Known, yet not imported: this raises the reason.
    words = {word.rpartition("=")[2].rpartition(".")[2] for word in typed}
    if words.isdisjoint(MODELS.names) and not registry.similar(name):
        return None
    return registry.unknown(name)


def _wrong_argument(registry: Registry, name: str, reason: str) -> str:
    """What follows `--model` or `--data`: the argument's name, and what is wrong with it."""
    unknown = _UNKNOWN_OPTION.search(reason)
    if unknown:
        option = unknown["option"]
        options = list(inspect.signature(registry.get(name)).parameters)
        return f".{option}: {name} has no such argument: {what_was_meant(option, options)}"
    wrong = _WRONG_TYPE.search(reason)
    if wrong:
        return f".{wrong['option']}: {wrong['type']} expected, not {wrong['value']!r}."
    return f" {name}: {' '.join(reason.split())}"
