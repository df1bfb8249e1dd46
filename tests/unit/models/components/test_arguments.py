"""A Python caller's typing errors are found when the model is made."""

import pytest

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.models.plane import Plane


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolution": "point"}, "did you mean 'points'"),
        ({"object_score": "median"}, "object_score must be one of max, top"),
        ({"feature_adapter": "pfca"}, "did you mean 'pcfa'"),
        ({"pose": "comon"}, "did you mean 'common'"),
        ({"one_sided": "yes"}, "one_sided must be one of auto"),
        ({"synthesis": "anod3d"}, "did you mean 'ano3d'"),
        ({"num_points": -5}, "num_points must be above 0, not -5"),
        ({"num_views": 0}, "num_views must be above 0"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"text_prompt_length": 0}, "text_prompt_length must be above 0"),
        ({"adapter_depth": -1}, "adapter_depth must be at least 0"),
        ({"place_channels": 0}, "place_channels must be above 0"),
        ({"place_learning_rate": -1.0}, "place_learning_rate must be at least 0"),
        ({"dice_smooth": -1.0}, "dice_smooth must be at least 0"),
        ({"object_score_share": 5.0}, "object_score_share is a share of the points"),
        ({"local_scales": []}, "local_scales must be positive and ascending"),
        ({"place_resolutions": [16, 8]}, "place_resolutions must be positive and ascending"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"max_steps": -1}, "Set max_steps or max_epochs"),
        ({"focal_weight": 0.0, "dice_weight": 0.0}, "needs a loss"),
        ({"layers": [3, 99]}, "blocks 0 to 11"),
        ({"layers": []}, "cannot be read"),
    ],
)
def test_an_argument_that_cannot_work_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Plane(**arguments)
