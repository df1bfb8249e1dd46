"""What a check is, and the words in which it complains."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from plane_anomalib.core.errors import ConfigurationError, ContractError
from plane_anomalib.plugins.contract.model_under_test import ModelUnderTest, TrainingError

Function = Callable[[ModelUnderTest, np.random.Generator], None]


@dataclass(frozen=True)
class Check:
    """One thing that every model must do.

    Attributes:
        name: As typed after `--only`.
        summary: What must hold, one sentence.
        function: Takes the model and a generator; raises what is wrong.
    """

    name: str
    summary: str
    function: Function

    def run(self, subject: ModelUnderTest) -> None:
        """Check a model.

        Args:
            subject: The model. Its seed and the check's name decide all random input.

        Raises:
            ContractError: The model does something else than it must.
            Exception: Whatever the model raises.
        """
        self.function(subject, np.random.default_rng([subject.seed, *self.name.encode()]))


def check(function: Function) -> Check:
    """Make a check of a function: its name with dashes, and the first line of its docstring."""
    summary = (function.__doc__ or "").strip().splitlines()[0]
    return Check(function.__name__.replace("_", "-"), summary, function)


def expect(condition: object, sentence: str) -> None:
    """Complain unless a condition holds.

    Args:
        condition: Anything with a truth value.
        sentence: What is wrong and what to do.

    Raises:
        ContractError: It does not hold.
    """
    if not condition:
        raise ContractError(sentence)


def expect_close(
    found: Tensor, wanted: Tensor, sentence: str, *, rtol: float = 0.0, atol: float = 0.0
) -> None:
    """Complain unless two tensors have one shape and `|found - wanted| <= atol + rtol |wanted|`.

    Args:
        found: Any shape.
        wanted: The same shape.
        sentence: What is wrong and what to do; the largest difference is added.
        rtol: Relative tolerance; with both 0 the values must be equal.
        atol: Absolute tolerance.

    Raises:
        ContractError: They differ, or one is not finite.
    """
    sentence = sentence.removesuffix(".")
    shapes = tuple(found.shape), tuple(wanted.shape)
    expect(shapes[0] == shapes[1], f"{sentence} (shapes {shapes[0]} and {shapes[1]}).")
    if not torch.isclose(found, wanted, rtol=rtol, atol=atol).all():
        largest = float((found - wanted).abs().max())
        raise ContractError(f"{sentence} (largest difference {largest:.3g}).")


@contextmanager
def expect_refusal(what: str, pattern: str, advice: str) -> Iterator[None]:
    """Complain unless the block raises a `ConfigurationError` of certain words.

    Args:
        what: What should be refused, as the beginning of a sentence.
        pattern: A regular expression that the message must contain.
        advice: What to do about it.

    Yields:
        Nothing.

    Raises:
        ContractError: It passes, or fails with another error.
    """
    try:
        yield
    except TrainingError:
        raise
    except Exception as error:
        if isinstance(error, ConfigurationError) and re.search(pattern, str(error)):
            return
        raise ContractError(
            f"{what} raises {type(error).__name__} ({' '.join(str(error).split())}) in place of a "
            f"ConfigurationError that says {pattern!r}: {advice}"
        ) from error
    raise ContractError(f"{what} is not refused: {advice}")
