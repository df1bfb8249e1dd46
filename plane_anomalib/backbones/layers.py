"""What encoders are made of: transformer blocks, their precision, and the mini-PointNet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812


def quick_gelu(x: Tensor) -> Tensor:
    """CLIP's approximation of GELU, `x * sigmoid(1.702 x)`."""
    return x * torch.sigmoid(1.702 * x)


#: The activations a configuration can name.
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "quick_gelu": quick_gelu}


#: Keys and values of tokens, (B, heads, L, W / heads) each.
Past = tuple[Tensor, Tensor]

_MATRIX_ELEMENTS = 8_000_000
"""Similarities of tokens that fit a processor's caches: 16 MB of bfloat16."""


class Attention(nn.Module):
    """Multi-head self-attention over the tokens of each row.

    Args:
        width: Channels of a token.
        num_heads: Attention heads; they share the channels equally.
        qkv_bias: Whether the query, key and value projections have a bias.
        causal: Whether a token sees only itself and the tokens before it.
    """

    def __init__(self, width: int, num_heads: int, *, qkv_bias: bool, causal: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.causal = causal
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, past: Past | None = None) -> Tensor:
        """Mix the tokens.

        Args:
            x: Tokens, (B, L, W).
            past: Of the tokens before them, which they see as well; only under causal attention.

        Returns:
            Tokens in the same shape.
        """
        batch, length, width = x.shape
        query, key, value = self._heads(x)
        if not self.causal and _better_as_products(query):
            mixed = _attend_by_products(query, key, value)
            return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))
        mask = None
        if past is not None:
            key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
            before = past[0].shape[2]
            mask = torch.ones(length, before + length, dtype=torch.bool, device=x.device)
            mask = mask.tril(before)
        # The fused kernel never holds the (L, L) matrix, so 16,384 tokens fit in memory.
        causal = self.causal and mask is None
        mixed = F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))

    def past(self, x: Tensor) -> Past:
        """Keys and values of the tokens `x` (B, L, W), for those that come after them."""
        return self._heads(x)[1:]

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, length, width = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.num_heads, width // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value


def _better_as_products(query: Tensor) -> bool:
    """Whether two matrix products beat torch's fused attention.

    On a CPU that one leaves the processor's units for bfloat16 idle: 5.2 ms against 1.9 for 513
    tokens of 6 heads on one thread of an AMD EPYC, and as fast as the products at 2,049 tokens.
    """
    batch, heads, length, _ = query.shape
    return (
        query.device.type == "cpu"
        and query.dtype == torch.bfloat16
        and not torch.is_grad_enabled()
        and batch * heads * length**2 <= _MATRIX_ELEMENTS
    )


def _attend_by_products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of every token to all, (B, heads, L, W / heads); similarities are rounded too."""
    similarity = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
    return similarity.softmax(-1).to(value.dtype) @ value


class Mlp(nn.Module):
    """Two linear layers with an activation between them, applied to each token.

    Args:
        width: Channels of a token.
        hidden: Channels between the layers.
        activation: A name in `ACTIVATIONS`.
    """

    def __init__(self, width: int, hidden: int, activation: str) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the tokens `x` (..., W) and return them in the same shape."""
        return self.fc2(self.activation(self.fc1(x)))


class TransformerBlock(nn.Module):
    """Attention and MLP, each on the normalised input and added to it.

    Args:
        width: Channels of a token.
        num_heads: Attention heads.
        mlp_ratio: Hidden channels of the MLP per channel of the token.
        qkv_bias: Whether the query, key and value projections have a bias.
        activation: A name in `ACTIVATIONS`.
        causal: Whether a token sees only itself and the tokens before it.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        *,
        mlp_ratio: int = 4,
        qkv_bias: bool = True,
        activation: str = "gelu",
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, num_heads, qkv_bias=qkv_bias, causal=causal)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp_ratio * width, activation)

    def forward(self, x: Tensor, factors: Tensor | None = None, past: Past | None = None) -> Tensor:
        """Transform the tokens.

        Args:
            x: Tokens, (B, L, W).
            factors: What the attention and the MLP are multiplied with before they are added,
                (2, B, 1, 1); ones if not given.
            past: See `Attention.forward`.

        Returns:
            Tokens in the same shape.
        """
        attended = self.attn(self.norm1(x), past)
        x = x + (attended if factors is None else factors[0] * attended)
        transformed = self.mlp(self.norm2(x))
        return x + (transformed if factors is None else factors[1] * transformed)

    def past(self, x: Tensor) -> Past:
        """Keys and values that tokens after `x` (B, L, W) will see in this block."""
        return self.attn.past(self.norm1(x))


def is_held(name: str) -> bool:
    """Whether a tensor is one that `hold` converts: matrices of blocks, and the table of tokens.

    Norms, positions and projections are small and stay in float32.

    Args:
        name: Of the tensor or its layer, in an encoder of this package.
    """
    return any(part in f".{name}." for part in (".attn.", ".mlp.", ".token_embedding."))


def hold(model: nn.Module, dtype: torch.dtype) -> None:
    """Convert the layers that take almost all of an encoder's memory and time, in place.

    In bfloat16 they compute what `torch.autocast` makes of float32 weights, with half the memory
    and no conversion per call.

    Args:
        model: The encoder, or both.
        dtype: float32 or bfloat16.
    """
    for name, module in model.named_modules():
        if is_held(name) and isinstance(module, nn.Linear | nn.Embedding):
            module.to(dtype)


@contextmanager
def precision_of(blocks: nn.Module) -> Iterator[None]:
    """Compute as these transformer blocks are held: under autocast if in bfloat16.

    In float32 it is the caller who says, by an autocast of his own or none.
    """
    weight = blocks.get_parameter("0.mlp.fc1.weight")
    if weight.dtype != torch.bfloat16:
        yield
        return
    with torch.autocast(weight.device.type, torch.bfloat16):
        yield


#: Points that pass through the layers at once outside training, on the CPU (activations stay in
#: the cache: measured 98 ms at 2,048 against 133 ms all at once) and on a GPU.
_POINTS_PER_CHUNK = 2048
_POINTS_PER_CHUNK_GPU = 65536

_Linear = tuple[Tensor, Tensor]
"""Weight and bias."""


class MiniPointNet(nn.Module):
    """Point-BERT's patch embedding: two shared MLPs with a maximum over the group after each.

    The second MLP reads every point beside the maximum of its group. That layer is linear, so the
    maximum's half of it is computed once per group instead of once per point: the result is the
    same, with half the work in the widest layer. Outside training the running statistics of the
    batch normalisations are folded into the layers before them, and groups are taken in chunks, so
    that memory does not grow with their number.

    Args:
        in_channels: Channels of a point; 3 for coordinates.
        stem: Channels of the first layer. The others have 2, 4 and `out_channels`.
        out_channels: Channels of the group's vector.
    """

    def __init__(self, in_channels: int, stem: int, out_channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(in_channels, stem)
        self.norm1 = nn.BatchNorm1d(stem)
        self.linear2 = nn.Linear(stem, 2 * stem)
        self.linear3 = nn.Linear(4 * stem, 4 * stem)
        self.norm2 = nn.BatchNorm1d(4 * stem)
        self.linear4 = nn.Linear(4 * stem, out_channels)

    def forward(self, groups: Tensor, *, batch_statistics: bool = False) -> Tensor:
        """Embed every group.

        Args:
            groups: Points relative to the center of their group, (G, K, C) float32.
            batch_statistics: Outside training, normalise by the statistics of these groups, as
                training does, instead of by the running ones; nothing is remembered of them.

        Returns:
            One vector per group, (G, out_channels).
        """
        if self.training:
            return self._embed(groups, self._layers())
        limit = _POINTS_PER_CHUNK if groups.device.type == "cpu" else _POINTS_PER_CHUNK_GPU
        chunks = groups.split(max(1, limit // groups.shape[1]))
        layers = self._own_layers(chunks) if batch_statistics else self._layers()
        embedded = [self._embed(chunk, layers) for chunk in chunks]
        return embedded[0] if len(embedded) == 1 else torch.cat(embedded)

    def _layers(self) -> tuple[_Linear, _Linear]:
        """Weight and bias of the layers before a normalisation, which is folded in if frozen."""
        first = self.linear1.weight, self.linear1.bias
        third = self.linear3.weight, self.linear3.bias
        if self.training:
            return first, third
        return _fold(*first, self.norm1), _fold(*third, self.norm2)

    def _own_layers(self, chunks: Sequence[Tensor]) -> tuple[_Linear, _Linear]:
        """The same, the normalisations folded in with the statistics of the groups."""
        first: _Linear = (self.linear1.weight, self.linear1.bias)
        statistics = _statistics(F.linear(chunk.flatten(0, 1), *first) for chunk in chunks)
        first = _fold(*first, self.norm1, statistics)
        third = self.linear3.weight, self.linear3.bias
        statistics = _statistics(self._third(chunk, first, third) for chunk in chunks)
        return first, _fold(*third, self.norm2, statistics)

    def _third(self, groups: Tensor, first: _Linear, third: _Linear) -> Tensor:
        """The wide layer's output for every point, (G * K, 4 * stem)."""
        num_groups, size, channels = groups.shape
        x = F.linear(groups.reshape(-1, channels), *first)
        x = self.linear2(F.relu_(self.norm1(x) if self.training else x))
        width = x.shape[1]
        weight, bias = third
        # Official checkpoints concatenate [group maximum, point], in this order.
        shared = F.linear(x.view(num_groups, size, width).amax(1), weight[:, :width], bias)
        x = F.linear(x, weight[:, width:]).view(num_groups, size, -1) + shared[:, None]
        return x.flatten(0, 1)

    def _embed(self, groups: Tensor, layers: tuple[_Linear, _Linear]) -> Tensor:
        x = self._third(groups, *layers)
        x = self.linear4(F.relu_(self.norm2(x) if self.training else x))
        return x.view(*groups.shape[:2], -1).amax(1)


def _statistics(parts: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance of each channel over the rows of all parts."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for part in parts:
        count += len(part)
        wide = part.double()
        total, squares = total + wide.sum(0), squares + wide.square().sum(0)
    mean = total / count
    return mean.float(), (squares / count - mean.square()).clamp_min(0).float()


def _fold(
    weight: Tensor,
    bias: Tensor,
    norm: nn.BatchNorm1d,
    statistics: tuple[Tensor, Tensor] | None = None,
) -> _Linear:
    """Weight and bias of the linear layer that equals `norm` applied after the given one."""
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018
    mean, variance = statistics or (norm.running_mean, norm.running_var)
    scale = norm.weight * (variance + norm.eps).rsqrt()
    return weight * scale[:, None], (bias - mean) * scale + norm.bias
