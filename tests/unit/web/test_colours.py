import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.web.colours import (
    DEFECT,
    FALSE_ALARM,
    FOUND,
    NEUTRAL,
    ScoreScale,
    agreement_colours,
    score_palette,
)

# Machado, Oliveira and Fernandes 2009, severity 1.0, applied to linear light.
DEFICIENCIES = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(srgb: np.ndarray, deficiency: list[list[float]] | None = None) -> np.ndarray:
    """CIELAB (D65) of 8-bit colours as somebody sees them."""
    values = np.asarray(srgb, dtype=float) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    if deficiency is not None:
        linear = np.clip(linear @ np.array(deficiency).T, 0, 1)
    xyz = (
        linear
        @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
        / [0.9505, 1.0, 1.089]
    )
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@pytest.mark.parametrize("deficiency", [None, *DEFICIENCIES])
def test_cold_threshold_and_hot_scores_look_different_to_everybody(deficiency: str | None) -> None:
    seen = lab(score_palette()[[0, 127, 200, 255]], DEFICIENCIES.get(deficiency or ""))
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert apart[np.triu_indices(4, 1)].min() > 15


@pytest.mark.parametrize("deficiency", [None, "protanopia", "deuteranopia"])
def test_found_missed_and_false_alarm_look_different(deficiency: str | None) -> None:
    colours = np.array([NEUTRAL, DEFECT, FOUND, FALSE_ALARM])
    seen = lab(colours, DEFICIENCIES.get(deficiency or ""))
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    assert apart[np.triu_indices(4, 1)].min() > 15


def test_neighbouring_scores_get_neighbouring_colours() -> None:
    steps = np.linalg.norm(np.diff(lab(score_palette()), axis=0), axis=1)
    assert steps.max() < 3


def test_a_few_outliers_do_not_stretch_the_range() -> None:
    generator = np.random.default_rng()
    scores = [generator.uniform(0, 1, 5000), np.append(generator.uniform(0, 1, 5000), [1e9, -1e9])]
    scale = ScoreScale.fit(scores)
    assert -0.1 < scale.low < 0.1
    assert 0.9 < scale.high < 1.1


def test_the_threshold_is_the_middle_of_the_colours() -> None:
    scores = np.random.default_rng().gamma(2.0, 1.0, 4000)
    scale = ScoreScale.fit([scores], threshold=3.0)
    assert scale.fraction(np.array([3.0]))[0] == 0.5
    assert (scale.fraction(scores[scores < 3]) < 0.5).all()
    assert (scale.fraction(scores[scores > 3]) > 0.5).all()


def test_scores_that_never_reach_the_threshold_are_all_cold() -> None:
    scores = np.random.default_rng().uniform(0, 1, 100)
    assert (ScoreScale.fit([scores], threshold=50.0).fraction(scores) < 0.5).all()
    assert (ScoreScale.fit([scores], threshold=-50.0).fraction(scores) > 0.5).all()


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), max_size=20),
    st.none() | st.floats(-1e6, 1e6),
)
@settings(max_examples=60, deadline=None)
def test_any_scores_give_a_usable_scale(values: list[float], threshold: float | None) -> None:
    scores = np.array(values, dtype=np.float64)
    colours = ScoreScale.fit([scores], threshold).colours(scores)
    assert colours.shape == (len(values), 3)
    assert (colours[np.isnan(scores)] == NEUTRAL).all()


def test_an_impossible_scale_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="low < center < high"):
        ScoreScale(1.0, 0.0, 2.0)


def test_a_prediction_is_coloured_by_whether_it_is_right() -> None:
    predicted = np.array([False, False, True, True])
    truth = np.array([False, True, False, True])
    expected = [NEUTRAL, DEFECT, FALSE_ALARM, FOUND]
    assert agreement_colours(predicted, truth).tolist() == [list(c) for c in expected]
    assert agreement_colours(predicted, None)[2:].tolist() == [list(DEFECT)] * 2
