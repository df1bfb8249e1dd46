"""Prompt embeddings are those that the model scores with."""

from __future__ import annotations

import numpy as np
import torch

from plane_anomalib.models.plane.prompts import object_name
from tests.support.small_plane import small_model
from tests.support.trees import surface


def test_static_prompts_are_encoded_with_each_categorys_name() -> None:
    model = small_model(("bowl0", "cup1", "tap0"))
    found = model.embedded_prompts()
    assert found.categories == ["bowl0", "cup1", "tap0"]
    assert found.normal.shape == found.anomalous.shape == (3, 20)
    with torch.no_grad():
        for row, category in enumerate(found.categories):
            prefix = model.text_prompts.vectors
            expected = model.backbone.encode_text(prefix, [object_name(category)] * 2).numpy()
            np.testing.assert_allclose(found.normal[row], expected[0], atol=1e-5)
            np.testing.assert_allclose(found.anomalous[row], expected[1], atol=1e-5)


def test_trained_prompts_move_their_own_polarity_only() -> None:
    model = small_model()
    before = model.embedded_prompts()
    with torch.no_grad():
        model.text_prompts.vectors[1] += torch.linspace(-1, 1, 16)
    after = model.embedded_prompts()
    np.testing.assert_array_equal(after.normal, before.normal)
    assert np.abs(after.anomalous - before.anomalous).max() > 1e-3


def test_a_cloud_adds_the_dynamic_prompt_the_model_makes_of_it() -> None:
    model = small_model()
    cloud = surface(np.random.default_rng(0), 200)
    used: list[torch.Tensor] = []
    original = model.text_prompts.forward

    def watched(backbone: object, names: object, dynamic: torch.Tensor) -> object:
        used.append(dynamic)
        return original(backbone, names, dynamic)  # type: ignore[arg-type]

    model.text_prompts.forward = watched  # type: ignore[method-assign]
    model(cloud, "cup1")
    in_scoring = torch.stack(used).mean(0)
    used.clear()
    found = model.embedded_prompts({"cup1": cloud})
    assert [dynamic.shape[1] for dynamic in used] == [0, 1]
    torch.testing.assert_close(used[1], in_scoring)
    assert np.abs(found.normal[1] - model.embedded_prompts().normal[1]).max() > 0
    np.testing.assert_array_equal(found.normal[0], model.embedded_prompts().normal[0])


def test_models_without_dynamic_prompts_or_categories_have_embeddings_too() -> None:
    cloud = surface(np.random.default_rng(0), 200)
    plain = small_model(("bowl0",), dynamic_prompts=False)
    static = plain.embedded_prompts()
    np.testing.assert_array_equal(plain.embedded_prompts({"bowl0": cloud}).normal, static.normal)
    assert small_model(()).embedded_prompts().normal.shape == (0, 20)
