"""Recipes from YAML files."""

from __future__ import annotations

from pathlib import Path

from plane_anomalib.core.typed_yaml import load_typed
from plane_anomalib.pretraining.config import PretrainConfig


def load_config(path: str | Path) -> PretrainConfig:
    """Read a YAML file.

    Args:
        path: The file.

    Raises:
        ConfigurationError: The file is missing, not YAML, or has an unknown or wrong entry.
    """
    return load_typed(PretrainConfig, path)
