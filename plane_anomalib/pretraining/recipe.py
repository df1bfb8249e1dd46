"""Recipes from YAML files."""

from __future__ import annotations

from pathlib import Path

from plane_anomalib.core.typed_data import read_yaml
from plane_anomalib.pretraining.config import PretrainConfig


def load_config(path: str | Path) -> PretrainConfig:
    """Read a YAML file.

    Args:
        path: The file.

    Raises:
        ConfigurationError: The file is missing, not YAML, or has an unknown or wrong entry.
    """
    return read_yaml(PretrainConfig, path)
