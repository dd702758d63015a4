"""DALL·E mini's network: text tokens in, picture codes out, as a BART-like encoder and decoder.

The published architecture (borisdayma/dalle-mini, "DalleBart"): NormFormer placement (Shleifer et
al. 2021: a norm before and after each attention), gated feed-forwards (Shazeer 2020, "GEGLU") with
a norm before and inside, exact-erf GELU, linears without biases, learned absolute positions, a norm
on the embeddings, untied embeddings. A norm that feeds a dense layer has a bias but no scale.

One generalisation: with `codes_per_position` K > 1 a position stands for K codes (a block of the
code grid). It reads the previous position's K codes at once and a small head writes its own K one
after another, each seeing those before it, so a picture takes K times fewer steps of the decoder.

It knows no sampling, guidance, tokenizers or pictures.

    B batch, L text tokens, N positions, K codes a position, V code vocabulary
    D width, H heads, E width of a head, C width of a code's embedding, W width of the code head
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from nonette.nn.attention import attention
from nonette.nn.text_memory import TEXT_STEP, TextMemory

NORM_EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class BartConfig:
    """The sizes of a `Bart`.

    Attributes:
        text_vocab_size: Rows of the text embedding.
        text_length: Text tokens L, padded with `pad_id`.
        image_vocab_size: Picture codes V; with one code a position there is one more row, for the
            start, as published.
        image_length: Positions N.
        width: D; divisible by `num_heads`.
        num_heads: Heads of every attention.
        hidden: Width inside the gated feed-forward.
        num_encoder_layers: Layers that read the text.
        num_decoder_layers: Layers that write the codes.
        pad_id: The text id that attention never looks at.
        start_id: The code id that opens the decoder's input; read it from the checkpoint, four
            values exist among published copies. With K > 1 a learned vector opens instead.
        codes_per_position: K.
        code_width: C, used with K > 1.
        head_width: W, used with K > 1.
        scales_before_dense: Whether norms that feed a dense layer have a scale as well.
        init_std: Standard deviation of fresh weights.
    """

    text_vocab_size: int
    text_length: int
    image_vocab_size: int
    image_length: int
    width: int
    num_heads: int
    hidden: int
    num_encoder_layers: int
    num_decoder_layers: int
    pad_id: int = 1
    start_id: int = 0
    codes_per_position: int = 1
    code_width: int = 64
    head_width: int = 256
    scales_before_dense: bool = False
    init_std: float = 0.02


# The published sizes. Their norms before dense layers have no scale; these hold one, as the PyTorch
# copies of the weights do, to be filled with ones: without, mega has 0.4 million parameters fewer.
MINI = BartConfig(
    text_vocab_size=50264,
    text_length=64,
    image_vocab_size=16384,
    image_length=256,
    width=1024,
    num_heads=16,
    hidden=2730,
    num_encoder_layers=12,
    num_decoder_layers=12,
    start_id=16384,
    scales_before_dense=True,
)
MEGA = BartConfig(
    text_vocab_size=50272,
    text_length=64,
    image_vocab_size=16415,
    image_length=256,
    width=2048,
    num_heads=32,
    hidden=4096,
    num_encoder_layers=24,
    num_decoder_layers=24,
    start_id=16384,
    scales_before_dense=True,
    init_std=0.01,
)


SelfCache = Sequence[tuple[Tensor, Tensor]]  # a layer: keys and values, (S, B, H, P, E) each


class Norm(nn.Module):
    """Layer norm with a bias and, where `has_scale`, a scale that starts at `scale`."""

    def __init__(self, width: int, *, has_scale: bool = True, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), scale)) if has_scale else None
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        # torch's mixed kernel wants scale and bias in float32; a bias alone it wants in x's type
        bias = self.bias if self.weight is not None else self.bias.to(x.dtype)
        return F.layer_norm(x, bias.shape, self.weight, bias, NORM_EPSILON)


class GatedFeedForward(nn.Module):
    """GEGLU with NormFormer's inner norm: LN, gelu(fc0 x) * (fc1 x), LN, fc2.

    fc0 and fc1 are one matrix, `gate_and_up`.
    """

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.norm_in = Norm(config.width, has_scale=config.scales_before_dense)
        self.gate_and_up = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.norm_hidden = Norm(config.hidden, has_scale=config.scales_before_dense)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        gate, up = self.gate_and_up(self.norm_in(x)).chunk(2, dim=-1)  # (..., hidden) each
        return self.down(self.norm_hidden(F.gelu(gate) * up))


class SelfAttention(nn.Module):
    """LN, attention of a sequence to itself, LN; query, key and value weights are one matrix."""

    def __init__(self, config: BartConfig, branch_scale: float) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.norm_in = Norm(config.width, has_scale=config.scales_before_dense)
        self.query_key_value = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)
        self.norm_out = Norm(config.width, scale=branch_scale)

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, D) -> query, key, value, each (B, H, N, E)."""
        joined = self.query_key_value(self.norm_in(x))
        query, key, value = rearrange(joined, "b n (p h e) -> p b h n e", p=3, h=self.num_heads)
        return query, key, value

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Each position of x (B, N, D) sees those `mask` allows; without one, all up to its own."""
        query, key, value = self._project(x)
        mixed = attention(query, key, value, mask, is_causal=mask is None)
        return self.norm_out(self.out(rearrange(mixed, "b h n e -> b n (h e)")))

    def step(self, x: Tensor, position: int, keys: Tensor, values: Tensor) -> Tensor:
        """One position x (B, 1, D); its key and value are written into the caches (S, B, H, P, E).

        The caches may be of another type than x, and are multiplied in it.
        """
        query, key, value = self._project(x)
        stretch, place = divmod(position, keys.shape[3])
        keys[stretch, :, :, place] = key[:, :, 0]
        values[stretch, :, :, place] = value[:, :, 0]
        keys, values = keys[: stretch + 1], values[: stretch + 1]  # those begun: (s, B, H, P, E)
        query = (query / math.sqrt(query.shape[-1])).to(keys.dtype)
        scores = query @ keys.mT  # (s, B, H, 1, P)
        scores[-1, ..., place + 1 :] = -math.inf
        weights = scores.permute(1, 2, 3, 0, 4).flatten(-2).softmax(dim=-1)  # (B, H, 1, s·P)
        weights = weights.unflatten(-1, (stretch + 1, -1)).permute(3, 0, 1, 2, 4)
        mixed = (weights @ values).to(x.dtype).sum(dim=0)  # (B, H, 1, E)
        return self.norm_out(self.out(rearrange(mixed, "b h 1 e -> b 1 (h e)")))


class CrossAttention(nn.Module):
    """LN, attention of the positions to the text, LN; key and value weights are one matrix."""

    def __init__(self, config: BartConfig, branch_scale: float) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.norm_in = Norm(config.width, has_scale=config.scales_before_dense)
        self.query = nn.Linear(config.width, config.width, bias=False)
        self.key_value = nn.Linear(config.width, 2 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)
        self.norm_out = Norm(config.width, scale=branch_scale)

    def remember(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Text (B, L, D) -> key, value, each (B, H, L, E)."""
        key, value = rearrange(
            self.key_value(encoded), "b l (p h e) -> p b h l e", p=2, h=self.num_heads
        )
        return key, value

    def _query(self, x: Tensor) -> Tensor:
        return rearrange(self.query(self.norm_in(x)), "b n (h e) -> b h n e", h=self.num_heads)

    def forward(self, x: Tensor, encoded: Tensor, mask: Tensor) -> Tensor:
        """Positions x (B, N, D) look at the text (B, L, D) where `mask` (B, 1, 1, L) allows."""
        key, value = self.remember(encoded)
        mixed = attention(self._query(x), key, value, mask)
        return self.norm_out(self.out(rearrange(mixed, "b h n e -> b n (h e)")))

    def step(self, x: Tensor, layer: int, memory: TextMemory) -> Tensor:
        """One position x (R, 1, D) looks at its rows' texts.

        Rows share a text's keys, so every text is shown to all rows, in products whose shape does
        not depend on who looks at what, and each row takes its own text's answer.
        """
        query = rearrange(self._query(x), "r h 1 e -> h r e") / math.sqrt(
            x.shape[-1] / self.num_heads
        )
        mixed = torch.zeros_like(x)
        for text, bias in enumerate(memory.bias):
            scores = query @ memory.keys[text][layer] + bias  # (H, R, L)
            answer = scores.softmax(dim=-1) @ memory.values[text][layer]  # (H, R, E)
            answer = rearrange(answer, "h r e -> r 1 (h e)")
            mixed = torch.where(memory.is_asked[text], answer, mixed)
        return self.norm_out(self.out(mixed))


class EncoderLayer(nn.Module):
    """Self-attention and a gated feed-forward, each added to its input."""

    def __init__(self, config: BartConfig, branch_scale: float) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config, branch_scale)
        self.feed_forward = GatedFeedForward(config)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        x = x + self.self_attention(x, mask)
        return x + self.feed_forward(x)


class DecoderLayer(nn.Module):
    """Self-attention, attention to the text and a gated feed-forward, each added to its input."""

    def __init__(self, config: BartConfig, branch_scale: float) -> None:
        super().__init__()
        self.self_attention = SelfAttention(config, branch_scale)
        self.cross_attention = CrossAttention(config, branch_scale)
        self.feed_forward = GatedFeedForward(config)

    def forward(self, x: Tensor, encoded: Tensor, mask: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        x = x + self.self_attention(x)
        x = x + self.cross_attention(x, encoded, mask)
        return x + self.feed_forward(x)


class Encoder(nn.Module):
    """Reads the text in both directions."""

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.pad_id = config.pad_id
        self.embedding = nn.Embedding(config.text_vocab_size, config.width)
        self.positions = nn.Parameter(torch.zeros(config.text_length, config.width))
        self.norm_embedding = Norm(config.width)
        scale = 1 / math.sqrt(2 * config.num_encoder_layers)
        layers = [EncoderLayer(config, scale) for _ in range(config.num_encoder_layers)]
        self.layers = cast(Sequence[EncoderLayer], nn.ModuleList(layers))
        self.norm_out = Norm(config.width, has_scale=config.scales_before_dense)

    def forward(self, text_ids: Tensor) -> Tensor:
        """Text ids (B, L) -> (B, L, D)."""
        mask = text_mask(text_ids, self.pad_id)
        x = self.embedding(text_ids) + self.positions[: text_ids.shape[1]]  # (B, L, D)
        x = self.norm_embedding(x)
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm_out(x)


class SingleCode(nn.Module):
    """One code a position, as published: an embedding with a row for the start, a linear head."""

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.start_id = config.start_id
        self.embedding = nn.Embedding(config.image_vocab_size + 1, config.width)
        self.head = nn.Linear(config.width, config.image_vocab_size + 1, bias=False)

    def read(self, codes: Tensor | None, num_rows: int) -> Tensor:
        """The codes of one position (B, 1), or None before the first -> (B, D)."""
        if codes is None:
            return self.embedding.weight[self.start_id].expand(num_rows, -1)
        return self.embedding(codes[:, 0])

    def write(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Hidden (B, D), no codes yet (B, 0) -> logits (B, V)."""
        return self.head(hidden)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (B, N, 1) -> the decoder's input (B, N, D), shifted, and what `logits` needs."""
        start = torch.full_like(codes[:, :1, 0], self.start_id)
        return self.embedding(torch.cat([start, codes[:, :-1, 0]], dim=1)), codes

    def logits(self, hidden: Tensor, embedded: Tensor) -> Tensor:
        """Hidden (B, N, D) -> (B, N, 1, V)."""
        return self.head(hidden)[:, :, None]


class BlockOfCodes(nn.Module):
    """K codes a position: read together, written one after another.

    Slot k's head starts from u_k = A_k h + sum over j < k of B_kj e_j(c_j), where e_j are the same
    per-slot embeddings that the next position reads; then one residual MLP and one vocabulary
    matrix, both shared by the slots.
    """

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        k, c, w = config.codes_per_position, config.code_width, config.head_width
        self.num_slots, self.vocab_size = k, config.image_vocab_size
        self.embedding = nn.Embedding(k * config.image_vocab_size, c)
        self.to_width = nn.Linear(k * c, config.width, bias=False)
        self.start = nn.Parameter(torch.zeros(config.width))
        self.from_hidden = nn.Linear(config.width, k * w)
        self.from_codes = nn.ModuleList(nn.Linear(j * c, w, bias=False) for j in range(1, k))
        self.norm_mlp = Norm(w, has_scale=config.scales_before_dense)
        self.mlp_in = nn.Linear(w, w)
        self.mlp_out = nn.Linear(w, w, bias=False)
        self.norm_out = Norm(w, has_scale=config.scales_before_dense)
        self.head = nn.Linear(w, config.image_vocab_size, bias=False)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes of the first slots (..., k) -> (..., k·C)."""
        slots = torch.arange(codes.shape[-1], device=codes.device) * self.vocab_size
        return self.embedding(codes + slots).flatten(-2)

    def read(self, codes: Tensor | None, num_rows: int) -> Tensor:
        """The codes of one position (B, K), or None before the first -> (B, D)."""
        if codes is None:
            return self.start.expand(num_rows, -1)
        return self.to_width(self.embed(codes))

    def write(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Hidden (B, D) and the position's first k codes (B, k) -> logits (B, V) of slot k."""
        slot = codes.shape[-1]
        weight = self.from_hidden.weight.unflatten(0, (self.num_slots, -1))[slot]
        bias = self.from_hidden.bias.unflatten(0, (self.num_slots, -1))[slot]
        u = F.linear(hidden, weight, bias)  # (B, W)
        if slot > 0:
            u = u + self.from_codes[slot - 1](self.embed(codes))
        return self._finish(u)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Codes (B, N, K) -> the decoder's input (B, N, D), shifted, and what `logits` needs."""
        embedded = self.embed(codes)  # (B, N, K·C)
        start = self.start.expand(len(codes), 1, -1)
        return torch.cat([start, self.to_width(embedded[:, :-1])], dim=1), embedded

    def logits(self, hidden: Tensor, embedded: Tensor) -> Tensor:
        """Hidden (B, N, D), the codes' embeddings (B, N, K·C) -> all slots' logits (B, N, K, V)."""
        width = embedded.shape[-1] // self.num_slots
        u = list(self.from_hidden(hidden).chunk(self.num_slots, dim=-1))  # K of (B, N, W)
        for slot, from_codes in enumerate(self.from_codes, start=1):
            u[slot] = u[slot] + from_codes(embedded[..., : slot * width])
        return self._finish(torch.stack(u, dim=2))

    def _finish(self, u: Tensor) -> Tensor:
        """(..., W) -> logits (..., V)."""
        u = u + self.mlp_out(F.gelu(self.mlp_in(self.norm_mlp(u))))
        return self.head(self.norm_out(u))


class Decoder(nn.Module):
    """Writes codes position by position, looking at the text."""

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.codes = SingleCode(config) if config.codes_per_position == 1 else BlockOfCodes(config)
        self.positions = nn.Parameter(torch.zeros(config.image_length, config.width))
        self.norm_embedding = Norm(config.width)
        scale = 1 / math.sqrt(3 * config.num_decoder_layers)
        layers = [DecoderLayer(config, scale) for _ in range(config.num_decoder_layers)]
        self.layers = cast(Sequence[DecoderLayer], nn.ModuleList(layers))
        self.norm_out = Norm(config.width, has_scale=config.scales_before_dense)

    def forward(self, codes: Tensor, encoded: Tensor, mask: Tensor) -> Tensor:
        """Codes (B, N, K), text (B, L, D), its mask (B, 1, 1, L) -> logits (B, N, K, V)."""
        x, embedded = self.codes(codes)
        x = self.norm_embedding(x + self.positions[: x.shape[1]])  # (B, N, D)
        for layer in self.layers:
            x = layer(x, encoded, mask)
        return self.codes.logits(self.norm_out(x), embedded)


class Bart(nn.Module):
    """Text ids -> logits of picture codes."""

    def __init__(self, config: BartConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.apply(self._initialise)
        for part in (self.encoder, self.decoder):
            nn.init.normal_(part.positions, std=config.init_std)
            for layer in part.layers:  # keep the residual stream's variance near 1 at any depth
                layer.feed_forward.down.weight.data.mul_(1 / math.sqrt(2 * len(part.layers)))

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.config.init_std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)

    def forward(self, text_ids: Tensor, codes: Tensor) -> Tensor:
        """Teacher-forced: text ids (B, L), codes (B, N, K) -> logits (B, N, K, V).

        Logits at (n, k) see the text, all codes before position n, and codes 0..k-1 of position n.
        """
        encoded = self.encoder(text_ids)
        return self.decoder(codes, encoded, text_mask(text_ids, self.config.pad_id))

    def encode(self, text_ids: Tensor) -> Tensor:
        """Text ids (B, L) -> (B, L, D)."""
        return self.encoder(text_ids)

    def cross_cache(self, encoded: Tensor, text_ids: Tensor) -> TextMemory:
        """What every decoder step reads of the text (B, L, D) of ids (B, L), computed once."""
        pairs = [layer.cross_attention.remember(encoded) for layer in self.decoder.layers]
        is_word = text_ids != self.config.pad_id  # (B, L)
        bias = torch.zeros(text_ids.shape, dtype=encoded.dtype, device=encoded.device)
        bias = bias.masked_fill(~is_word, -math.inf)
        places = torch.arange(1, text_ids.shape[1] + 1, device=text_ids.device)
        ends = (is_word * places).amax(dim=1)  # (B,): of each text, behind its last word
        lengths = [-(-max(end, 1) // TEXT_STEP) * TEXT_STEP for end in ends.tolist()]
        texts = list(enumerate(lengths))
        return TextMemory(
            tuple(torch.stack([key[i, :, :end].mT for key, _ in pairs]) for i, end in texts),
            tuple(torch.stack([value[i, :, :end] for _, value in pairs]) for i, end in texts),
            tuple(bias[i : i + 1, :end] for i, end in texts),
            torch.arange(len(bias), device=bias.device),
        )

    def step(
        self, codes: Tensor | None, position: int, self_cache: SelfCache, memory: TextMemory
    ) -> Tensor:
        """One position of the decoder.

        Args:
            codes: The previous position's codes, (B, K); None at position 0.
            position: 0 to N - 1; the caches must hold all positions before it.
            self_cache: A pair of tensors (S, B, H, P, E) a layer, S stretches of P positions; this
                position is written into them.
            memory: What these B rows see of their texts.

        Returns:
            Hidden (B, D), for `code_logits`.
        """
        x = self.decoder.codes.read(codes, len(memory.text_of_row))[:, None]  # (B, 1, D)
        x = self.decoder.norm_embedding(x + self.decoder.positions[position])
        for i, layer in enumerate(self.decoder.layers):
            x = x + layer.self_attention.step(x, position, *self_cache[i])
            x = x + layer.cross_attention.step(x, i, memory)
            x = x + layer.feed_forward(x)
        return self.decoder.norm_out(x)[:, 0]

    def code_logits(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Hidden (B, D) and the position's codes so far (B, k) -> logits (B, V) of code k."""
        return self.decoder.codes.write(hidden, codes)


def text_mask(text_ids: Tensor, pad_id: int) -> Tensor:
    """Where text ids (B, L) are not padding: bool (B, 1, 1, L)."""
    return (text_ids != pad_id)[:, None, None]
