"""DALL·E mini, VQGAN and the dVAE once more, plainly, on the names of the original files.

Written from the published architectures as functions of a state dict, without modules, caches or
anything shared with `nonette.models`: oracles of those networks and of their importers. What the
original programs themselves gave beside ours is in docs/systems/published-weights.md.

    B batch, L text tokens, N picture codes, D width
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]
HEAD_WIDTH = 64


def dalle_bart(state: State, text: Tensor, codes: Tensor, start: int) -> Tensor:
    """Teacher-forced logits (B, N, V) of text ids (B, L) and codes (B, N), by min-dalle's names."""
    seen = (text != 1)[:, None, None, :]
    x = state["encoder.embed_tokens.weight"][text] + state["encoder.embed_positions.weight"]
    x = _norm(state, "encoder.layernorm_embedding", x)
    for i in range(_count(state, "encoder.layers.")):
        layer = f"encoder.layers.{i}"
        h = _norm(state, f"{layer}.pre_self_attn_layer_norm", x)
        h = _attention(state, f"{layer}.self_attn", h, h, seen)
        x = x + _norm(state, f"{layer}.self_attn_layer_norm", h)
        x = x + _glu(state, f"{layer}.glu", x)
    encoded = _norm(state, "encoder.final_ln", x)

    shifted = torch.cat([torch.full_like(codes[:, :1], start), codes[:, :-1]], dim=1)
    num = codes.shape[1]
    causal = torch.ones(num, num, dtype=torch.bool).tril()
    x = state["decoder.embed_tokens.weight"][shifted]
    x = x + state["decoder.embed_positions.weight"][:num]
    x = _norm(state, "decoder.layernorm_embedding", x)
    for i in range(_count(state, "decoder.layers.")):
        layer = f"decoder.layers.{i}"
        h = _norm(state, f"{layer}.pre_self_attn_layer_norm", x)
        h = _attention(state, f"{layer}.self_attn", h, h, causal)
        x = x + _norm(state, f"{layer}.self_attn_layer_norm", h)
        h = _norm(state, f"{layer}.pre_encoder_attn_layer_norm", x)
        h = _attention(state, f"{layer}.encoder_attn", h, encoded, seen)
        x = x + _norm(state, f"{layer}.encoder_attn_layer_norm", h)
        x = x + _glu(state, f"{layer}.glu", x)
    return _norm(state, "decoder.final_ln", x) @ state["decoder.lm_head.weight"].T


def vqgan_decode(state: State, codes: Tensor) -> Tensor:
    """Pixels as the network gives them, (B, 3, H, W), of codes (B, h, w), by taming's names."""
    x = state["quantize.embedding.weight"][codes].permute(0, 3, 1, 2)
    x = _conv(state, "decoder.conv_in", _conv(state, "post_quant_conv", x))
    x = _vqgan_middle(state, "decoder.mid", x)
    for level in reversed(range(_count(state, "decoder.up."))):
        up = f"decoder.up.{level}"
        x = _vqgan_level(state, up, x)
        if f"{up}.upsample.conv.weight" in state:
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            x = _conv(state, f"{up}.upsample.conv", x)
    return _conv(state, "decoder.conv_out", _swish(_group_norm(state, "decoder.norm_out", x)))


def vqgan_encode(state: State, pixels: Tensor) -> Tensor:
    """Codes (B, h, w) of pixels (B, 3, H, W) as the network wants them, by taming's names."""
    x = _conv(state, "encoder.conv_in", pixels)
    for level in range(_count(state, "encoder.down.")):
        down = f"encoder.down.{level}"
        x = _vqgan_level(state, down, x)
        if f"{down}.downsample.conv.weight" in state:
            weight, bias = (state[f"{down}.downsample.conv.{one}"] for one in ("weight", "bias"))
            x = F.conv2d(F.pad(x, (0, 1, 0, 1)), weight, bias, stride=2)
    x = _vqgan_middle(state, "encoder.mid", x)
    x = _conv(state, "encoder.conv_out", _swish(_group_norm(state, "encoder.norm_out", x)))
    z = _conv(state, "quant_conv", x).permute(0, 2, 3, 1)
    return (
        torch.cdist(z.flatten(1, 2), state["quantize.embedding.weight"])
        .argmin(-1)
        .view(z.shape[:3])
    )


def dvae_logits(state: State, pixels: Tensor) -> Tensor:
    """Logits (B, V, h, w) of pixels in [0, 1], (B, 3, H, W), by the names of encoder.pkl."""
    x = _openai_conv(state, "blocks.input", 0.8 * pixels + 0.1)
    for i in range(1, 5):
        x = _dvae_group(state, f"blocks.group_{i}", x)
        x = F.max_pool2d(x, 2) if i < 4 else x
    return _openai_conv(state, "blocks.output.conv", x.relu())


def dvae_pixels(state: State, codes: Tensor) -> Tensor:
    """Pixels in [0, 1], (B, 3, H, W), of codes (B, h, w), by the names of decoder.pkl."""
    num_codes = state["blocks.input.w"].shape[1]
    x = _openai_conv(state, "blocks.input", F.one_hot(codes, num_codes).permute(0, 3, 1, 2).float())
    for i in range(1, 5):
        x = _dvae_group(state, f"blocks.group_{i}", x)
        x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3) if i < 4 else x
    means = _openai_conv(state, "blocks.output.conv", x.relu())[:, :3].sigmoid()
    return ((means - 0.1) / 0.8).clamp(0, 1)


def _count(state: State, prefix: str) -> int:
    return 1 + max(
        int(name[len(prefix) :].split(".")[0]) for name in state if prefix in name[: len(prefix)]
    )


def _norm(state: State, name: str, x: Tensor) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
    normed = (x - mean) / (variance + 1e-5).sqrt()
    return normed * state.get(f"{name}.weight", torch.ones(())) + state[f"{name}.bias"]


def _attention(state: State, name: str, x: Tensor, seen: Tensor, mask: Tensor) -> Tensor:
    query = x @ state[f"{name}.q_proj.weight"].T / math.sqrt(HEAD_WIDTH)
    key, value = (seen @ state[f"{name}.{one}_proj.weight"].T for one in "kv")
    query, key, value = (
        one.unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2) for one in (query, key, value)
    )
    scores = (query @ key.transpose(2, 3)).masked_fill(~mask, -math.inf)
    mixed = (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)
    return mixed @ state[f"{name}.out_proj.weight"].T


def _glu(state: State, name: str, x: Tensor) -> Tensor:
    x = _norm(state, f"{name}.ln0", x)
    gate, up = (x @ state[f"{name}.fc{i}.weight"].T for i in (0, 1))
    gate = gate * (1 + torch.erf(gate / math.sqrt(2))) / 2
    return _norm(state, f"{name}.ln1", gate * up) @ state[f"{name}.fc2.weight"].T


def _conv(state: State, name: str, x: Tensor) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)


def _openai_conv(state: State, name: str, x: Tensor) -> Tensor:
    return F.conv2d(x, state[f"{name}.w"], state[f"{name}.b"], padding="same")


def _group_norm(state: State, name: str, x: Tensor) -> Tensor:
    grouped = x.unflatten(1, (32, -1))
    mean = grouped.mean((2, 3, 4), keepdim=True)
    variance = grouped.var((2, 3, 4), keepdim=True, unbiased=False)
    normed = ((grouped - mean) / (variance + 1e-6).sqrt()).flatten(1, 2)
    weight, bias = (state[f"{name}.{one}"][:, None, None] for one in ("weight", "bias"))
    return normed * weight + bias


def _swish(x: Tensor) -> Tensor:
    return x * x.sigmoid()


def _vqgan_level(state: State, level: str, x: Tensor) -> Tensor:
    for i in range(_count(state, f"{level}.block.")):
        x = _vqgan_block(state, f"{level}.block.{i}", x)
        if f"{level}.attn.{i}.q.weight" in state:
            x = _vqgan_attention(state, f"{level}.attn.{i}", x)
    return x


def _vqgan_middle(state: State, middle: str, x: Tensor) -> Tensor:
    x = _vqgan_attention(state, f"{middle}.attn_1", _vqgan_block(state, f"{middle}.block_1", x))
    return _vqgan_block(state, f"{middle}.block_2", x)


def _vqgan_block(state: State, block: str, x: Tensor) -> Tensor:
    h = _conv(state, f"{block}.conv1", _swish(_group_norm(state, f"{block}.norm1", x)))
    h = _conv(state, f"{block}.conv2", _swish(_group_norm(state, f"{block}.norm2", h)))
    is_wider = f"{block}.nin_shortcut.weight" in state
    return h + (_conv(state, f"{block}.nin_shortcut", x) if is_wider else x)


def _vqgan_attention(state: State, attention: str, x: Tensor) -> Tensor:
    h = _group_norm(state, f"{attention}.norm", x)
    q, k, v = (_conv(state, f"{attention}.{one}", h).flatten(2) for one in "qkv")  # (B, C, h·w)
    weights = (q.transpose(1, 2) @ k / math.sqrt(q.shape[1])).softmax(-1)
    return x + _conv(state, f"{attention}.proj_out", (v @ weights.transpose(1, 2)).view_as(x))


def _dvae_group(state: State, group: str, x: Tensor) -> Tensor:
    num_blocks = _count(state, f"{group}.block_") - 1  # they count from 1
    for j in range(1, num_blocks + 1):
        block, branch = f"{group}.block_{j}", x
        for k in range(1, 5):
            branch = _openai_conv(state, f"{block}.res_path.conv_{k}", branch.relu())
        is_wider = f"{block}.id_path.w" in state
        x = _openai_conv(state, f"{block}.id_path", x) if is_wider else x
        x = x + branch / (4 * num_blocks) ** 2
    return x
