"""Ranking: how well each picture fits the sentence, in the eyes of CLIP.

As DALL·E ranks its candidates (Ramesh et al. 2021, section 2.4). A step that `engine` takes after
every system that draws more candidates than were asked for. Each picture and the sentence go
through the network alone, always in the same shape: float32 products change in their last bits with
the number of rows, and a picture's score must not depend on the strangers it is ranked with. One
small network at a time is what a batch would cost on a CPU, and next to drawing it is nothing.

It does not sort: a score is the picture's own, and the order is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nonette.models.clip import CLIP
from nonette.text.tokenizer import Tokenizer


def rerank(
    clip: CLIP, tokenizer: Tokenizer, pictures: Sequence[np.ndarray], prompt: str
) -> np.ndarray:
    """Score every picture against the prompt.

    Args:
        clip: The ranking network, in eval mode, on any device, in any floating type.
        tokenizer: Its own tokenizer, which normalises.
        pictures: Each uint8, (H, W, 3); resized to the network's size where it differs.
        prompt: The sentence as the person wrote it.

    Returns:
        float32 (N,): cosines from -1 to 1, one a picture in the given order, each independent of
        the others.
    """
    sentence = embed_prompt(clip, tokenizer, prompt)  # (E,)
    scores = [float(embed_picture(clip, picture) @ sentence) for picture in pictures]
    return np.array(scores, dtype=np.float32).clip(-1.0, 1.0)


def embed_prompt(clip: CLIP, tokenizer: Tokenizer, prompt: str) -> np.ndarray:
    """The prompt as a unit vector, float32 (E,)."""
    ids = tokenizer.encode(prompt, clip.config.text.length)
    with torch.inference_mode():
        vector = clip.encode_text(torch.tensor([ids], device=clip.logit_scale.device))  # (1, E)
    return _to_unit(vector)


def embed_picture(clip: CLIP, picture: np.ndarray) -> np.ndarray:
    """One picture, uint8 (H, W, 3), as a unit vector, float32 (E,)."""
    size = clip.config.image.size
    pixels = torch.tensor(picture).permute(2, 0, 1)[None].float() / 127.5 - 1  # (1, 3, H, W)
    if pixels.shape[-2:] != (size, size):
        pixels = F.interpolate(pixels, (size, size), mode="bicubic", antialias=True).clamp(-1, 1)
    with torch.inference_mode():
        vector = clip.encode_image(
            pixels.to(clip.logit_scale.device, clip.logit_scale.dtype)
        )  # (1, E)
    return _to_unit(vector)


def _to_unit(vector: Tensor) -> np.ndarray:
    """(1, E) of any floating type, its length off by a rounding, as float32 (E,) of length one."""
    return F.normalize(vector.float(), dim=-1)[0].cpu().numpy()
