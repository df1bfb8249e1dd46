"""The model that `plane-anomalib new-model` copies, importable as it stands."""

from __future__ import annotations

import sys
from pathlib import Path

from plane_anomalib.plugins import scaffold

TEMPLATE = Path(scaffold.__file__).parent / "template"
# At the end: its folder `tests` is not to be taken for ours.
sys.path += [str(TEMPLATE), str(TEMPLATE / "tests")]

from model_name.lightning_model import ModelName  # noqa: E402
from model_name.torch_model import ModelNameDetector  # noqa: E402

__all__ = ["TEMPLATE", "ModelName", "ModelNameDetector"]
