#!/usr/bin/env bash
# Lightning finds a module's hyper-parameters by the names of stack frames, and loses them silently.
#
# `save_hyperparameters()` in a parent class walks the frames of the constructors that led to it. A
# constructor that was written once and put into two classes under another function name (by a decorator,
# say) works as Python, yet the walk ends at its frame: `hparams` of the subclass is empty, nothing is said,
# and `load_from_checkpoint` later makes the module with defaults. And where `__init__.__signature__` names
# an argument that is not a local variable of the constructor (`**kwargs` spelt out for tools), the walk
# ends in a bare KeyError. We generate constructors whose arguments are real local variables
# (core/configured.py).
#
# Seen with lightning 2.6.6 and torch 2.13.0. Exits 0 while it is so, 1 once it is not.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip --disable-pip-version-check --quiet install torch==2.13.0 lightning==2.6.6 numpy==2.4.6

"$folder/env/bin/python" - <<'PYTHON'
import inspect
import logging
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
from lightning.pytorch import LightningModule


class Base(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.save_hyperparameters()


class Plain(Base):
    def __init__(self, width: int = 3) -> None:
        super().__init__()


class Stepping(Base):
    def __init__(self, width: int = 3) -> None:
        self.start()

    def start(self) -> None:
        super().__init__()


class SpeltOut(Base):
    def __init__(self, **given: int) -> None:
        super().__init__()


SpeltOut.__init__.__signature__ = inspect.Signature(
    [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("width", inspect.Parameter.KEYWORD_ONLY, default=3),
    ]
)

plain, stepping = dict(Plain(width=5).hparams), dict(Stepping(width=5).hparams)
try:
    spelt_out = f"hparams {dict(SpeltOut(width=5).hparams)}"
except KeyError as error:
    spelt_out = f"KeyError: {error}"
print(f"parent's constructor called from __init__:              hparams {plain}")
print(f"parent's constructor called by a method of __init__:    hparams {stepping}")
print(f"__signature__ that spells out **kwargs:                 {spelt_out}")
if plain != {"width": 5} or stepping == plain or not spelt_out.startswith("KeyError"):
    print("It is not so any more: this finding is out of date.")
    sys.exit(1)
PYTHON
