"""`--columns` and `--pitch` as they are typed: into options, and again for whoever resumes."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest

from plane_anomalib.cli import predict, train
from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.formats.raw_cloud import ReadOptions


def test_train_hands_on_what_was_typed() -> None:
    parser = ArgumentParser()
    train.add_arguments(parser)
    typed = parser.parse_args(["good", "--columns", "2,3,4", "--pitch", "0.5,0.3"])
    assert train._wishes(typed).read == ReadOptions(("2", "3", "4"), (0.5, 0.3))
    assert train._options(typed) == ["--columns", "2,3,4", "--pitch", "0.5,0.3"]


def test_predict_reads_as_the_good_scans_were_read_unless_told() -> None:
    parser = ArgumentParser()
    predict.add_arguments(parser)
    assert predict._reading(parser.parse_args(["run", "a.xyz", "--out", "o"])) is None
    typed = parser.parse_args(["run", "a.xyz", "--out", "o", "--pitch", "2"])
    assert predict._reading(typed) == ReadOptions(pitch=(2.0,))
    wrong = parser.parse_args(["run", "a.xyz", "--out", "o", "--columns", "1,2"])
    with pytest.raises(ConfigurationError, match="three different columns"):
        predict._reading(wrong)
