"""Config classes as flat arguments, for Python, jsonargparse and Lightning."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningModule, Trainer

from plane_anomalib.core.configured import (
    configured,
    flat_arguments,
    from_arguments,
    to_arguments,
)
from plane_anomalib.core.errors import ConfigurationError


@dataclass(frozen=True)
class Inputs:
    """How clouds come in.

    Attributes:
        points: Points of a view.
        pose: How clouds are turned,
            in two lines.
    """

    points: int = 64
    pose: Literal["none", "principal"] = "none"


@dataclass(frozen=True)
class Settings:
    """What the method is.

    Args:
        max_steps: Steps of training: at most.
        scales: Numbers of neighbours.
        rate: Null goes by the rest.
    """

    max_steps: int = 10
    inputs: Inputs = field(default_factory=Inputs)
    scales: Sequence[int] = (2, 4)
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise ConfigurationError(f"max_steps must be at least 1, not {self.max_steps}.")


class Base(LightningModule):
    """A model that saves its arguments as anomalib's do.

    Args:
        evaluator: As in anomalib.
    """

    def __init__(self, evaluator: bool = True) -> None:
        super().__init__()
        self.evaluator = evaluator
        self.save_hyperparameters(ignore=["evaluator"])

    def training_step(self, batch: Any) -> torch.Tensor:
        return self.layer(batch).mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@configured(Settings)
class Method(Base):
    """A method.

    More of it.

    Raises:
        ConfigurationError: An argument cannot work.
    """

    config: Settings

    def build(self) -> None:
        self.built = getattr(self, "built", 0) + 1
        self.layer = torch.nn.Linear(self.config.inputs.points, 1)


class Explicit(Method):
    """A third party's subclass, with a constructor as usual."""

    def __init__(self, extra: int = 1, max_steps: int = 7) -> None:
        super().__init__(max_steps=max_steps)
        self.extra = extra


@dataclass(frozen=True)
class MoreSettings(Settings):
    """More.

    Args:
        depth: Layers.
    """

    max_steps: int = 20
    depth: int = 3


@configured(MoreSettings)
class Again(Method):
    """Configured anew."""

    config: MoreSettings


@configured(Settings)
class Reader:
    """Reads.

    Args:
        root: Where.
        max_steps: Its own words.
    """

    def __init__(self, root: Path | str = ".", **rest: Any) -> None:
        self.root = root
        self.settings = from_arguments(Settings, rest)


def parsed(base: type, name: type, *typed: str) -> Any:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(base, "model")
    path = f"{name.__module__}.{name.__qualname__}"
    found = parser.parse_args(["--model", path, *typed])
    return parser.instantiate_classes(found).model


def test_arguments_are_flat_with_types_defaults_and_words() -> None:
    found = flat_arguments(Settings)
    assert list(found) == ["max_steps", "points", "pose", "scales", "rate"]
    assert found["points"].annotation is int
    assert found["scales"].default == (2, 4)
    assert found["pose"].text == "pose: How clouds are turned,\n    in two lines."


def test_config_and_flat_arguments_are_one() -> None:
    made = from_arguments(Settings, {"points": 8, "rate": 0.5})
    assert made == Settings(inputs=Inputs(8), rate=0.5)
    assert from_arguments(Settings, to_arguments(made)) == made


def test_defaults_of_a_part_can_be_given_by_the_whole() -> None:
    @dataclass(frozen=True)
    class Whole:
        inputs: Inputs = Inputs(points=5)

    assert flat_arguments(Whole)["points"].default == 5
    assert from_arguments(Whole, {"pose": "principal"}).inputs == Inputs(5, "principal")


def test_unknown_argument_is_answered() -> None:
    with pytest.raises(
        ConfigurationError, match="Foo has no argument 'max_step': did you mean max_"
    ):
        from_arguments(Settings, {"max_step": 3}, "Foo")


def test_signature_is_as_if_written_by_hand() -> None:
    parameters = inspect.signature(Method).parameters
    assert list(parameters) == ["max_steps", "points", "pose", "scales", "rate", "evaluator"]
    assert parameters["max_steps"].default == 10
    assert parameters["rate"].annotation == float | None
    assert parameters["evaluator"].annotation is bool
    assert Method(3, points=8).config == Settings(3, Inputs(8))


def test_documentation_is_merged_in_the_order_of_the_signature() -> None:
    assert inspect.getdoc(Method) == (
        "A method.\n\nMore of it.\n\nArgs:\n"
        "    max_steps: Steps of training: at most.\n"
        "    points: Points of a view.\n"
        "    pose: How clouds are turned,\n        in two lines.\n"
        "    scales: Numbers of neighbours.\n"
        "    rate: Null goes by the rest.\n"
        "    evaluator: As in anomalib.\n\n"
        "Raises:\n    ConfigurationError: An argument cannot work."
    )


def test_values_are_refused_before_anything_is_built() -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        Method(max_steps=0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'max_step'"):
        Method(max_step=3)


def test_hyper_parameters_are_flat_and_plain() -> None:
    model = Method(max_steps=3, scales=[1, 2])
    expected = {"max_steps": 3, "points": 64, "pose": "none", "scales": [1, 2], "rate": None}
    assert dict(model.hparams) == expected
    assert dict(model.hparams_initial) == expected


def test_subclass_with_an_ordinary_constructor_saves_its_arguments_too() -> None:
    model = Explicit(extra=4)
    assert model.built == 1
    assert model.config.max_steps == 7
    assert model.hparams["extra"] == 4
    assert model.hparams["points"] == 64


def test_subclass_configured_anew_is_built_once_with_its_own_config() -> None:
    model = Again(depth=1, points=5)
    assert model.built == 1
    assert model.config == MoreSettings(20, Inputs(5), depth=1)
    assert dict(model.hparams) == to_arguments(model.config)
    assert "depth: Layers." in (Again.__doc__ or "")


def test_checkpoints_restore_the_arguments(tmp_path: Path) -> None:
    model = Method(max_steps=3, points=4)
    trainer = Trainer(
        max_steps=1, default_root_dir=tmp_path, logger=False, enable_progress_bar=False
    )
    trainer.fit(model, torch.utils.data.DataLoader(torch.ones(2, 4)))
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    again = Method.load_from_checkpoint(tmp_path / "a.ckpt")
    assert again.config == model.config
    assert torch.equal(again.layer.weight, model.layer.weight)


def test_jsonargparse_reads_arguments_and_words() -> None:
    model = parsed(Base, Method, "--model.points", "8", "--model.scales=[3]", "--model.rate=null")
    assert model.config == Settings(10, Inputs(8), [3])
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Method, "model")
    text = parser.format_help()
    assert "Steps of training: at most. (type: int, default: 10)" in " ".join(text.split())
    assert "As in anomalib" in text


@pytest.mark.parametrize("typed", ["--model.poimts=3", "--model.points=many", "--model.pose=up"])
def test_jsonargparse_refuses_what_is_not_declared(typed: str) -> None:
    with pytest.raises(Exception, match=r"poimts|points|pose"):
        parsed(Base, Method, typed)


def test_constructor_of_the_class_stays_and_is_spelt_out() -> None:
    parameters = inspect.signature(Reader).parameters
    assert list(parameters) == ["root", "max_steps", "points", "pose", "scales", "rate"]
    assert parameters["root"].annotation == Path | str
    assert Reader("there", points=3).settings.inputs.points == 3
    assert "max_steps: Its own words." in (Reader.__doc__ or "")
    assert "points: Points of a view." in (Reader.__doc__ or "")
    made = parsed(Reader, Reader, "--model.root=a", "--model.points=5")
    assert (made.root, made.settings.inputs.points) == (Path("a"), 5)


def test_config_that_cannot_be_flat_is_refused_at_once() -> None:
    @dataclass(frozen=True)
    class Twice:
        points: int = 1
        inputs: Inputs = field(default_factory=Inputs)

    @dataclass(frozen=True)
    class Needed:
        inputs: Inputs

    for config, words in [
        (Twice, "points twice"),
        (Needed, "must have a default"),
        (int, "frozen"),
    ]:
        with pytest.raises(TypeError, match=words):
            configured(config)(type("Some", (), {}))


def test_what_has_no_default_has_to_be_given_and_comes_first() -> None:
    @dataclass(frozen=True)
    class Place:
        root: Path
        depth: int = 1

    @configured(Place)
    class Folder:
        """A folder."""

    assert str(inspect.signature(Folder)).startswith("(root: pathlib.Path, depth: int = 1)")
    assert Folder(Path("a")).config == Place(Path("a"))
    with pytest.raises(TypeError, match="root"):
        Folder()
