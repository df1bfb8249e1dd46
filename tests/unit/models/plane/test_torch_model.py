from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from plane_anomalib.core.errors import ConfigurationError
from plane_anomalib.geometry.neighbours import interpolate_to_points
from plane_anomalib.models.plane.inputs import Frame
from plane_anomalib.models.plane.maps import anomaly_probability
from plane_anomalib.models.plane.torch_model import PlaneModel
from plane_anomalib.plugins.contract.model_under_test import packed
from tests.support.small_plane import random_views, small_inputs, small_model
from tests.support.trees import surface

NAMES = ["bowl0", "cup1"]


def score(model: PlaneModel, *clouds: np.ndarray, category: str = "bowl0"):  # type: ignore[no-untyped-def]
    batch = packed(*clouds, category=category)
    return model.score_packed(batch.points, batch.lengths, batch.category)


def test_map_at_group_centers_is_the_mean_over_the_layers() -> None:
    """Eq. 1 to 6 put together from the parts, prompts repeated for every token."""
    model = small_model(resolution="groups", num_groups=16)
    points, features = random_views(model)
    found = model.maps(points, features, NAMES)
    encoded = model.backbone.encode_points(points, layers=(1, 3), num_groups=16)
    text, dynamic = model.dynamic(encoded.pooled)
    normal, anomalous = model.text_prompts(model.backbone, ["bowl", "cup"], text)
    prompts = torch.cat([model.point_prompts.vectors, dynamic], 1)
    total = 0
    for layer, adapter in zip((1, 3), model.adapters, strict=True):
        tokens = encoded.tokens[layer]
        tokens = torch.nn.functional.layer_norm(tokens, tokens.shape[-1:])
        total = total + anomaly_probability(adapter(tokens, prompts), normal, anomalous, 0.07)
    for cloud in range(2):
        centers = encoded.centers[cloud].numpy()
        expected = interpolate_to_points(centers, (total / 2)[cloud].detach(), points[cloud])
        np.testing.assert_allclose(found[cloud].detach(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("resolution", ["groups", "points"])
def test_geometry_of_a_point_reaches_the_map_there(resolution: str) -> None:
    model = small_model(inputs=small_inputs(local_geometry=True), resolution=resolution)
    points, features = random_views(model, 1)
    features.requires_grad_()
    found = model.maps(points, features, ["bowl0"])
    shares = torch.autograd.grad(found[0, 0], features)[0][0].abs().sum(1)
    # The first point is the first center: all but alone in its weight, or alone in its own row.
    assert shares[0] > 0.999 * shares.sum()
    assert resolution == "groups" or shares[1:].sum() == 0


def test_without_point_tokens_each_point_is_judged_by_its_own_geometry() -> None:
    model = small_model(
        inputs=small_inputs(local_geometry=True), point_tokens=False, dynamic_prompts=False
    )
    points, features = random_views(model, 1)
    order = torch.randperm(points.shape[1])
    found = model.maps(points, features, ["bowl0"])
    # Other places, other points to be encoded: nothing but the features may matter.
    again = model.maps(torch.rand_like(points), features[:, order], ["bowl0"])
    torch.testing.assert_close(again, found[:, order])
    assert found.std() > 1e-4


@pytest.mark.parametrize("resolution", ["groups", "points"])
def test_extra_points_are_scored_and_not_seen(resolution: str) -> None:
    model = small_model(inputs=small_inputs(local_geometry=True), resolution=resolution)
    points, features = random_views(model)
    plain = model.maps(points, features, NAMES)
    again = [3, 11, 40]
    more = [torch.cat([x, x[:, again]], 1) for x in (points, features)]
    found = model.maps(*more, NAMES)
    torch.testing.assert_close(found[:, :64], plain)
    torch.testing.assert_close(found[:, 64:], plain[:, again])


def test_geometry_is_standardised_by_training_views() -> None:
    model = small_model(inputs=small_inputs(local_geometry=True))
    points, features = random_views(model, 1)
    expected = model.maps(points, features, ["bowl0"])
    changed = 7 * features + 3
    sample = torch.randn(1000, features.shape[-1])
    sample = (sample - sample.mean(0)) / sample.std(0)
    model.calibrate(7 * sample + 3)
    found = model.maps(points, changed, ["bowl0"])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    model.calibrate(torch.ones(10, features.shape[-1]))
    assert model.maps(points, 1e6 * changed, ["bowl0"]).isfinite().all()


def test_polarity_and_category_each_change_the_map() -> None:
    model = small_model()
    points, features = random_views(model, 1)
    known = model.maps(points, features, ["bowl0"])
    assert not torch.allclose(known, model.maps(points, features, ["cup1"]), atol=1e-4)
    with torch.no_grad():
        model.text_prompts.vectors.copy_(model.text_prompts.vectors.flip(0))
    torch.testing.assert_close(known + model.maps(points, features, ["bowl0"]), torch.ones(1, 64))


def test_numbers_at_the_end_of_a_name_tell_prompts_but_not_words_apart() -> None:
    model = small_model(("bowl0", "bowl1"), point_prompts="shared")
    points, features = random_views(model, 1)
    first = model.maps(points, features, ["bowl0"])
    assert torch.equal(first, model.maps(points, features, ["bowl1"]))
    own = small_model(("bowl0", "bowl1"), point_prompts="category")
    with torch.no_grad():
        own.point_prompts.vectors.mul_(50)
    first = own.maps(points, features, ["bowl0"])
    assert not torch.allclose(first, own.maps(points, features, ["bowl1"]), atol=1e-4)


def test_unknown_category_takes_mean_prompts_and_the_word_object(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = small_model()
    mean = small_model(("object", "object2"))
    with torch.no_grad():
        mean.point_prompts.vectors[:] = model.point_prompts.vectors.mean(0)
    cloud = surface(np.random.default_rng(), 200)
    found = score(model, cloud, category="teapot")
    assert "not trained on the category 'teapot'" in caplog.text
    expected = score(mean, cloud, category="object")
    torch.testing.assert_close(found.anomaly_map, expected.anomaly_map)
    score(model, cloud, category="teapot")
    assert caplog.text.count("teapot") == 1


def test_unknown_category_can_be_an_error() -> None:
    model = small_model(unknown_category="error")
    cloud = surface(np.random.default_rng(), 50)
    score(model, cloud, category="cup1")
    with pytest.raises(ConfigurationError, match="'teapot', only on bowl0, cup1"):
        score(model, cloud, category="teapot")


@pytest.mark.parametrize("pose", ["none", "common"])
def test_no_category_means_the_only_one(pose: str, caplog: pytest.LogCaptureFixture) -> None:
    model = small_model(("cup1",), inputs=small_inputs(pose=pose))
    model.set_frames({"cup1": Frame(np.array([0.3, 0, 0], np.float32), 2.0)})
    cloud = surface(np.random.default_rng(), 90)
    found = score(model, cloud, category="")
    assert torch.equal(found.anomaly_map, score(model, cloud, category="cup1").anomaly_map)
    assert not caplog.text
    score(small_model(), cloud, category="")
    assert "not trained on the category ''" in caplog.text


def test_new_categories_come_to_the_device_of_the_model() -> None:
    model = small_model(inputs=small_inputs(pose="common")).to("meta")
    model.set_categories(["a", "b", "c"])
    learnt = (*model.point_prompts.parameters(), *model.place_prompts.parameters())
    kept = (*model.place_prompts.buffers(), model.frame_center, model.frame_scale)
    assert {tensor.device.type for tensor in (*learnt, *kept)} == {"meta"}


@pytest.mark.parametrize("layers", [(4,), (-1,), (0, 12), ()])
def test_layers_out_of_range_are_refused(layers: tuple[int, ...]) -> None:
    message = re.escape(f"layers={list(layers)} cannot be read: the backbone has blocks 0 to 3")
    with pytest.raises(ConfigurationError, match=message):
        small_model(layers=layers)


def test_same_seed_same_model_another_seed_another() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.rand(3)
        trained = [p.flatten() for p in small_model(seed=seed).parameters() if p.requires_grad]
        return torch.cat(trained)

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_backbone_is_frozen_and_stays_in_evaluation_mode() -> None:
    model = small_model().train()
    assert not any(m.training for m in model.backbone.modules())
    assert not any(p.requires_grad for p in model.backbone.parameters())
    state = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    points, features = random_views(model)
    model.maps(points, features, NAMES).sum().backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert all(torch.equal(value, state[n]) for n, value in model.backbone.state_dict().items())


def test_new_categories_start_from_the_seed() -> None:
    model = small_model(("a", "b", "c"))
    assert len(model.point_prompts.vectors) == 3
    model.set_categories(NAMES)
    assert torch.equal(model.point_prompts.vectors, small_model().point_prompts.vectors)
    model.set_categories([])
    assert len(model.point_prompts.vectors) == 1


def test_every_point_gets_the_value_of_the_view_that_saw_it() -> None:
    model, generator = small_model(), np.random.default_rng()
    cloud = surface(generator, 128)
    unit, views = model.inputs().views(cloud, model.config.seed)
    found = score(model, cloud).anomaly_map
    for view in views:
        with torch.no_grad():
            points, features = torch.from_numpy(view.points), torch.from_numpy(view.features)
            expected = model.maps(points[None], features[None], ["bowl0"])[0]
        places = [int(np.flatnonzero((unit == point).all(1))[0]) for point in view.points]
        torch.testing.assert_close(found[places], expected)


def test_points_that_no_view_saw_lie_between_their_neighbours() -> None:
    found = score(small_model(), surface(np.random.default_rng(), 5000))
    assert found.anomaly_map.shape == (5000,)
    assert 0 < found.anomaly_map.min() <= found.anomaly_map.max() <= found.pred_score.item() + 1e-6


def test_object_scores_are_the_maximum_or_the_mean_of_the_top_share() -> None:
    cloud = surface(np.random.default_rng(), 128)
    highest = score(small_model(object_score="max"), cloud)
    ordered = highest.anomaly_map.sort(descending=True).values
    assert highest.pred_score.item() == pytest.approx(ordered[0].item())
    for share, count in ((0.25, 32), (1.0, 128), (1e-6, 1)):
        model = small_model(object_score="top", object_score_share=share)
        expected = ordered[:count].mean().item()
        assert score(model, cloud).pred_score.item() == pytest.approx(expected, rel=1e-5)


def test_size_and_place_of_the_object_do_not_matter() -> None:
    model = small_model(inputs=small_inputs(local_geometry=True, num_points=400, num_views=1))
    cloud = surface(np.random.default_rng(0), 400).astype(np.float64)
    expected = score(model, cloud).anomaly_map.sort().values
    moved = score(model, 64 * cloud + [128, -256, 64]).anomaly_map.sort().values
    # Another first center is drawn, so single points differ.
    assert (moved - expected).abs().mean() < 0.05


def test_scoring_leaves_no_graph_and_the_points_alone() -> None:
    model = small_model()
    batch = packed(surface(np.random.default_rng(), 90))
    points = batch.points.clone()
    found = model.score_packed(batch.points, batch.lengths, batch.category)
    assert not found.anomaly_map.requires_grad
    assert torch.equal(points, batch.points)
