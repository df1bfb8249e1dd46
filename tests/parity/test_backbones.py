"""The encoders equal the public reference encoders, tensor by tensor, to 1e-4."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from reference_weights import DATA, reference_state

from plane_anomalib.backbones.encoder_files import load_point_transformer
from plane_anomalib.backbones.encoders import create_backbone
from plane_anomalib.backbones.point_language_model import PointLanguageModel
from plane_anomalib.backbones.point_transformer import PointFeatures

LAYERS = (2, 5, 8, 11)


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(DATA / "ulip_pointbert_slip.npz", allow_pickle=False) as data:
        return dict(data)


@pytest.fixture(scope="module")
def model(
    reference: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> PointLanguageModel:
    state = reference_state("ulip_pointbert_slip", int(reference["seed"]))
    path = tmp_path_factory.mktemp("ulip") / "checkpoint.pt"
    # The official files carry training state beside the tensors.
    official = {
        "epoch": 3,
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
        "optimizer": {"state": {}, "param_groups": []},
        "scaler": {},
        "best_acc1": 50.0,
        "args": argparse.Namespace(model="ULIP_PointBERT"),
    }
    torch.save(official, path)
    try:
        return create_backbone(path)
    finally:
        path.unlink()


@pytest.fixture(scope="module")
def features(model: PointLanguageModel, reference: dict[str, np.ndarray]) -> PointFeatures:
    return model.encode_points(torch.from_numpy(reference["points"]), layers=LAYERS)


def assert_equal(actual: torch.Tensor, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=0, atol=tolerance)


def test_ulip_centers(features: PointFeatures, reference: dict[str, np.ndarray]) -> None:
    assert_equal(features.centers, reference["centers"], 0.0)


@pytest.mark.parametrize("layer", LAYERS)
def test_ulip_block_outputs(
    features: PointFeatures, reference: dict[str, np.ndarray], layer: int
) -> None:
    # Every 16th token with the class token first: groups 15, 31, ...
    assert_equal(features.tokens[layer][:, 15::16], reference[f"block{layer}"][:, 1:])


def test_ulip_pooled_feature_and_embedding(
    model: PointLanguageModel, features: PointFeatures, reference: dict[str, np.ndarray]
) -> None:
    assert_equal(features.pooled, reference["features"])
    assert_equal(model.embed_points(features.pooled), reference["pc_embed"])


def test_clip_token_ids(model: PointLanguageModel, reference: dict[str, np.ndarray]) -> None:
    for text, expected in zip(reference["texts"], reference["token_ids"], strict=True):
        ids = [model.tokenizer.start, *model.tokenizer.encode(str(text)), model.tokenizer.end]
        np.testing.assert_array_equal(ids, expected[: len(ids)])
        assert not expected[len(ids) :].any()


def test_slip_text_embeddings(model: PointLanguageModel, reference: dict[str, np.ndarray]) -> None:
    assert_equal(
        model.encode_sentences([str(t) for t in reference["texts"]]), reference["text_embed"]
    )


def test_short_context_equals_the_full_one(model: PointLanguageModel) -> None:
    names = ["vase", "microphone with a very long name", "cup"]
    prefix = torch.randn(3, 7, model.text_width, generator=torch.Generator().manual_seed(1)) * 0.02
    rows, ends = [], []
    for name, vectors in zip(names, prefix, strict=True):
        ids = [*model.tokenizer.encode(f"{name}."), model.tokenizer.end]
        ends.append(len(vectors) + len(ids))
        ids += [0] * (77 - 1 - len(vectors) - len(ids))
        embed = model.text.token_embedding
        rows.append(torch.cat([embed(torch.tensor([49406])), vectors, embed(torch.tensor(ids))]))
    full = model.text(torch.stack(rows), torch.tensor(ends))
    assert rows[0].shape == (77, 512)
    assert_equal(model.encode_text(prefix, names), full.numpy(), 1e-5)


@pytest.mark.parametrize(
    ("case", "prefix"), [("pointmae_m3dm", "MAE_encoder."), ("pointbert_m3dm", "transformer_q.")]
)
def test_dense_features_of_m3dm(case: str, prefix: str, tmp_path: Path) -> None:
    with np.load(DATA / f"{case}.npz", allow_pickle=False) as data:
        reference = dict(data)
    state = reference_state(case, int(reference["seed"]))
    named = {f"module.{prefix}{name}": tensor for name, tensor in state.items()}
    named["module.decoder.weight"] = torch.zeros(2, 2)
    path = tmp_path / "pretrain.pth"
    torch.save({"base_model": named, "epoch": 300}, path)
    encoder = load_point_transformer(
        path, num_groups=int(reference["num_group"]), group_size=int(reference["group_size"])
    )
    points = torch.from_numpy(reference["points"])
    dense, features = encoder.dense_features(points, layers=(3, 7, 11))
    assert_equal(features.centers, reference["centers"], 0.0)
    np.testing.assert_array_equal(features.group_index[..., 0], reference["center_index"])
    assert_equal(dense[:, ::8].transpose(1, 2), reference["features"])
