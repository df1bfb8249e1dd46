"""Arrays beside a checkpoint judge as the checkpoint does, and only while they are its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plane_anomalib.core.provenance import weights_hash
from plane_anomalib.metrics.thresholds import ScoreThreshold
from plane_anomalib.models.components.checkpoints import open_checkpoint, save_checkpoint
from plane_anomalib.models.components.method import create_method
from plane_anomalib.models.components.scores import ARRAYS_FILE, read_arrays, write_arrays
from tests.support.trees import surface


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A checkpoint and the arrays beside it."""
    generator = np.random.default_rng(0)
    method = create_method("TemplateResidual", {"object_points": 20})
    method.fit([("bracket", [surface(generator, 400) for _ in range(2)])])
    file = tmp_path_factory.mktemp("made") / "model.ckpt"
    save_checkpoint(file, method, ScoreThreshold(1.1, "f1", 0.3, 7.0))
    write_arrays(file, open_checkpoint(file))
    return file.read_bytes(), file.with_name(ARRAYS_FILE).read_bytes()


@pytest.fixture
def checkpoint(content: tuple[bytes, bytes], tmp_path: Path) -> Path:
    file = tmp_path / "model.ckpt"
    file.write_bytes(content[0])
    file.with_name(ARRAYS_FILE).write_bytes(content[1])
    return file


def test_arrays_say_what_the_checkpoint_says(checkpoint: Path) -> None:
    whole, arrays = open_checkpoint(checkpoint), read_arrays(checkpoint)
    assert arrays is not None
    assert arrays.threshold == whole.threshold
    assert np.isnan(arrays.point_threshold.value)
    assert weights_hash(arrays.state) == weights_hash(whole.state)
    assert arrays.method.name == whole.method.name
    assert arrays.method.arguments == whole.method.arguments
    assert arrays.method.categories == whole.method.categories == ("bracket",)
    cloud = surface(np.random.default_rng(1), 400)
    found, expected = arrays.method(cloud, "bracket"), whole.method(cloud, "bracket")
    np.testing.assert_array_equal(found.anomaly_map, expected.anomaly_map)
    assert found[1:] == expected[1:]


def test_arrays_of_another_checkpoint_do_not_count(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes() + b"0")
    assert read_arrays(checkpoint) is None


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_damaged_arrays_do_not_count(checkpoint: Path, kept: int) -> None:
    file = checkpoint.with_name(ARRAYS_FILE)
    file.write_bytes(file.read_bytes()[:kept])
    assert read_arrays(checkpoint) is None
    file.unlink()
    assert read_arrays(checkpoint) is None


def test_a_method_that_judges_by_torch_gets_no_arrays(tmp_path: Path) -> None:
    method = create_method("BTF", {})
    method.fit([("bracket", [surface(np.random.default_rng(0), 200)])])
    file = tmp_path / "model.ckpt"
    save_checkpoint(file, method)
    write_arrays(file, open_checkpoint(file))
    assert not file.with_name(ARRAYS_FILE).exists()
