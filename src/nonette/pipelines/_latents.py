"""What a network of latent diffusion is asked: our transformer and published UNets as one.

Both read a text once and then, at every step, noisy latents, a mask and what is known around it.
They differ in how they want the last two: our transformer takes them always, and sees nothing of
what is masked; a published inpainting UNet reads nine channels, as its pipeline joined them; any
other UNet takes neither, and the sampler keeps the known part instead.

    R rows, L text tokens, D width of their states, C latent channels, h w latents, H W pixels
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nonette.core.errors import SettingIgnored
from nonette.diffusion.denoisers import Network
from nonette.models.clip import ImageEncoder, TextEncoder
from nonette.models.dit import DiT
from nonette.models.unet import UNet
from nonette.nn.graphed import Graphed
from nonette.nn.openvino import OpenVINONetwork
from nonette.pipelines import _prompt
from nonette.pipelines._prompt import Encoder

Encode = Callable[[Tensor], Tensor]
"""Pixels (1, 3, H, W) in [-1, 1] → latents (1, C, h, w)."""


class Words(NamedTuple):
    """A text as networks read it, or several, a row each.

    Attributes:
        states: Of its tokens, (R, L, D).
        sentence: All of it as one vector, (R, E), where the network wants that, else None.
    """

    states: Tensor
    sentence: Tensor | None = None


@dataclass(frozen=True)
class Rows:
    """What the network is told beside noise and time, a row a picture.

    Attributes:
        words: The texts.
        mask: 1 where something is drawn, (R, 1, h, w).
        known: The latents around it, (R, C, h, w).
        step: Length in time of the steps of a network that takes long ones, else 0.
        guidance: (R,), scale minus one that a distilled network is to answer with, else 0.
    """

    words: Words
    mask: Tensor
    known: Tensor
    step: float
    guidance: Tensor


class Denoiser(Protocol):
    """The three below."""

    num_words: int
    latent_channels: int
    grid_size: int | None
    takes_masks: bool
    takes_steps: bool
    takes_guidance: bool
    sees: bool

    def num_chunks(self, text: str) -> int:
        """How many times L tokens the text takes."""
        ...

    def read(self, text: str) -> Words:
        """A text, its states (1, chunks · L, D)."""
        ...

    def see(self, pixels: Tensor) -> Words:
        """A picture (1, 3, H, W) in [-1, 1], where it takes the place of words."""
        ...

    def surroundings(
        self, encode: Encode, pixels: Tensor, mask: Tensor, side: int
    ) -> tuple[Tensor, Tensor]:
        """Mask and known latents (1, ..., h, w) of pixels (1, 3, H, W), mask (1, 1, H, W)."""
        ...

    def network(self, rows: Rows) -> Network:
        """The network as diffusion wants it."""
        ...


class Transformer:
    """Our `DiT`."""

    takes_masks = takes_steps = True
    sees = False
    takes_guidance = False  # unless it was distilled, which the checkpoint's settings say

    def __init__(self, dit: DiT, tokenizer: Encoder) -> None:
        self.dit, self.tokenizer = dit, tokenizer
        self.num_words = dit.config.text_vocab_size
        self.latent_channels = dit.config.latent_channels
        self.grid_size: int | None = dit.config.grid_size

    def num_chunks(self, text: str) -> int:
        """Always 1: what is too long is cut, and brackets are brackets."""
        return 1

    def read(self, text: str) -> Words:
        """A text, its states (1, L, D)."""
        ids = self.tokenizer.encode(text, self.dit.config.text_length)
        return Words(self.dit.read(torch.tensor([ids], device=self.dit.positions.device)))

    def see(self, pixels: Tensor) -> Words:
        """It sees none."""
        raise NotImplementedError

    def surroundings(
        self, encode: Encode, pixels: Tensor, mask: Tensor, side: int
    ) -> tuple[Tensor, Tensor]:
        """As it was trained: a latent is known where none of its pixels is masked."""
        return known_latents(encode, pixels, mask, side)

    def network(self, rows: Rows) -> Network:
        """Velocity of latents at a time in 0 to 1."""
        dtype = self.dit.positions.dtype
        text, mask, known = (one.to(dtype) for one in (rows.words.states, rows.mask, rows.known))
        step = torch.full_like(rows.guidance, rows.step)

        def ask(x: Tensor, time: Tensor) -> Tensor:
            return self.dit(x.to(dtype), time, text, mask, known, step, rows.guidance)

        return ask


class Published:
    """A `UNet` of Stable Diffusion and the CLIP that reads for it; prompts are `_prompt`'s.

    XL has two that read the same tokens. Their states stand side by side, the second one's vector
    of the first chunk is the whole sentence, and no text at all may be zeros.

    Args:
        unet: The network.
        readers: One text encoder or two.
        tokenizer: Text to ids.
        latent_channels: C.
        settings: Of the checkpoint; see `StableDiffusion`.
    """

    grid_size: int | None = None
    takes_steps = False
    sees = False

    def __init__(
        self,
        unet: UNet,
        readers: Sequence[TextEncoder],
        tokenizer: Encoder,
        latent_channels: int,
        settings: Mapping[str, Any],
    ) -> None:
        self._take(unet, latent_channels, settings)
        self.readers, self.tokenizer = readers, tokenizer
        self.named: Mapping[str, Sequence[int]] = settings.get("words", {})
        self.second_padding = settings.get("second_padding")
        self.empty_is_zero = bool(settings.get("empty_is_zero"))
        self.num_words = min(reader.config.text.vocabulary_size for reader in readers)
        width = sum(reader.config.text.width for reader in readers)
        if unet.config.context_width != width:
            raise ValueError(f"the UNet reads states {unet.config.context_width} wide, not {width}")

    def _take(self, unet: UNet, latent_channels: int, settings: Mapping[str, Any]) -> None:
        """Whatever of the UNet has nothing to do with words."""
        self.unet: UNet | Accelerated | Graphed = unet
        self.side = int(settings.get("size", 512))
        self.deep_every = int(settings.get("deep_every", 1))
        self.latent_channels = latent_channels
        self.takes_guidance = unet.config.guidance_width is not None
        self.takes_masks = unet.config.in_channels == 2 * latent_channels + 1
        if not self.takes_masks and unet.config.in_channels != latent_channels:
            raise ValueError(
                f"the UNet reads {unet.config.in_channels} channels, but latents have "
                f"{latent_channels}, or {2 * latent_channels + 1} with a mask and what is known"
            )

    def accelerate(self) -> None:
        """Let OpenVINO work the UNet out."""
        if isinstance(self.unet, UNet):
            self._ask_whole("with OpenVINO")
            self.unet = Accelerated(self.unet)

    def record(self) -> None:
        """Replay the UNet's calls on a GPU."""
        if isinstance(self.unet, UNet):
            self._ask_whole("on a GPU")
            self.unet = Graphed(self.unet)

    def _ask_whole(self, where: str) -> None:
        """Work out all of the UNet at every call."""
        if self.deep_every > 1:
            message = f"deep_every has no effect {where}: every call of the UNet is whole"
            warnings.warn(message, SettingIgnored, stacklevel=4)
        self.deep_every = 1

    def num_chunks(self, text: str) -> int:
        """How many chunks of 75 tokens the text takes."""
        return len(self._chunks(text))

    def read(self, text: str) -> Words:
        """A text, its states (1, chunks · L, D)."""
        chunks = self._chunks(text)
        told = [_prompt.read(chunks, self._encoder(reader)) for reader in self.readers]
        states = torch.cat([states for states, _ in told], dim=-1)
        sentence = None if self.unet.config.pooled_width is None else told[-1][1]
        if self.empty_is_zero and not text.strip():
            sentence = None if sentence is None else torch.zeros_like(sentence)
            return Words(torch.zeros_like(states), sentence)
        return Words(states, sentence)

    def see(self, pixels: Tensor) -> Words:
        """It sees none."""
        raise NotImplementedError

    def _encoder(self, reader: TextEncoder) -> _prompt.Encode:
        """Ids as one of the readers wants them padded, then its states and vector."""
        is_second = reader is not self.readers[0]

        def encode(ids: Tensor) -> tuple[Tensor, Tensor]:
            if is_second and self.second_padding is not None:
                num_ends = (ids == reader.config.text.end_token).cumsum(1)  # seen so far
                is_padding = num_ends - (ids == reader.config.text.end_token).long() > 0
                ids = torch.where(is_padding, self.second_padding, ids)
            return reader(ids.to(_weight(reader).device))

        return encode

    def _chunks(self, text: str) -> list[_prompt.Chunk]:
        length = self.readers[0].config.text.length
        return _prompt.chunks(text, self.tokenizer, length, self.named)

    def surroundings(
        self, encode: Encode, pixels: Tensor, mask: Tensor, side: int
    ) -> tuple[Tensor, Tensor]:
        """As Stable Diffusion's inpainting was trained: masked pixels grey, masks by nearest."""
        coarse = F.interpolate(mask, size=(side, side))
        if not self.takes_masks:
            return coarse, torch.zeros_like(coarse).repeat(1, self.latent_channels, 1, 1)
        return coarse, encode(pixels * (1 - mask))

    def network(self, rows: Rows) -> Network:
        """Whatever the checkpoint says it predicts, at a timestep."""
        dtype = _weight(self.unet).dtype
        text, mask, known = (one.to(dtype) for one in (rows.words.states, rows.mask, rows.known))
        told: dict[str, Tensor] = {}
        if self.takes_guidance:
            told["guidance"] = rows.guidance
        if rows.words.sentence is not None:  # the sizes: original, crop's top left, target
            told["pooled"] = rows.words.sentence.to(dtype)
            sizes = [self.side, self.side, 0, 0, self.side, self.side]
            told["sizes"] = torch.tensor([sizes] * len(text), device=text.device)

        calls = itertools.count()
        kept: list[Tensor] = []  # of what the UNet worked out deep down

        def ask(x: Tensor, time: Tensor) -> Tensor:
            x = x.to(dtype)
            joined = torch.cat([x, mask, known], dim=1) if self.takes_masks else x
            if self.deep_every > 1:
                if next(calls) % self.deep_every == 0:
                    kept.clear()
                said = self.unet(joined, time, text, **told, kept=kept)
            else:
                said = self.unet(joined, time, text, **told)
            return said.contiguous()  # whatever form it works in

        return ask


class Accelerated(nn.Module):
    """A `UNet` that OpenVINO works out, all but the embedding of the time; float32 in and out.

    In bfloat16 OpenVINO rounds the time itself, 981 to 980, which alone put a network of the
    published size 18% off; here torch embeds it in float32. Any text will do without a new layout.

    Args:
        unet: The network, which cannot be used by itself any more.
    """

    def __init__(self, unet: UNet) -> None:
        super().__init__()
        self.config = config = unet.config
        self.time_embedding = unet.time_embedding.float()
        rest = unet.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        rest.time_embedding = Embedded()
        side = 2 ** len(config.channels)  # of the example: 2 at the last level
        examples = (
            torch.zeros(2, config.in_channels, side, side),
            torch.zeros(2, config.time_width),
            torch.zeros(2, 2, config.context_width),
        )
        self.rest = OpenVINONetwork(rest, examples, free_axes=((), (), (1,)))

    def forward(
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor,
        *,
        classes: Tensor | None = None,
        guidance: Tensor | None = None,
        pooled: Tensor | None = None,
        sizes: Tensor | None = None,
    ) -> Tensor:
        """As the UNet's own."""
        time = self.time_embedding(timesteps, classes, guidance, pooled, sizes)  # (R, T)
        return self.rest(x, time, context)


class Embedded(nn.Module):
    """Stands where a time would be embedded that is embedded already."""

    def forward(self, time: Tensor, *others: Tensor | None) -> Tensor:
        """The time itself."""
        return time


def _weight(network: nn.Module) -> Tensor:
    """A parameter whose type and device are the network's."""
    return next(network.parameters())


class Seeing(Published):
    """A `UNet` that was taught to read a picture where others read words (image variations).

    The picture is CLIP's one vector of it, and what there is no picture of is zeros; words say
    nothing to it.
    """

    sees = True
    num_words = 0

    def __init__(
        self,
        unet: UNet,
        image_encoder: ImageEncoder,
        latent_channels: int,
        settings: Mapping[str, Any],
    ) -> None:
        self._take(unet, latent_channels, settings)
        self.image_encoder = image_encoder
        width = image_encoder.config.embedding_size
        if unet.config.context_width != width:
            raise ValueError(f"the UNet reads states {unet.config.context_width} wide, not {width}")

    def num_chunks(self, text: str) -> int:
        """Always 1."""
        return 1

    def read(self, text: str) -> Words:
        """Zeros, (1, 1, D), whatever the text."""
        return Words(_weight(self.unet).new_zeros(1, 1, self.unet.config.context_width))

    def see(self, pixels: Tensor) -> Words:
        """A picture (1, 3, H, W) in [-1, 1] as one token, (1, 1, D)."""
        side = self.image_encoder.config.image.size
        if pixels.shape[-2:] != (side, side):
            pixels = F.interpolate(pixels, (side, side), mode="bicubic", antialias=True)
        dtype = next(self.image_encoder.parameters()).dtype
        return Words(self.image_encoder(pixels.clamp(-1, 1).to(dtype))[:, None])


def known_latents(encode: Encode, pixels: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """What our transformer is told of a picture, in training and in drawing alike.

    The encoder never sees what is masked, so nothing of it leaks across the mask's border.

    Args:
        encode: Pixels to latents.
        pixels: (B, 3, H, W) in [-1, 1].
        mask: 1 where the picture is to be drawn, (B, 1, H, W).
        side: h and w.

    Returns:
        The mask of the latents, 1 where any of their pixels is masked, (B, 1, h, w), and the
        latents, 0 there, (B, C, h, w).
    """
    window = math.ceil(mask.shape[-1] / side)
    coarse = F.max_pool2d(mask, window)
    return coarse, encode(pixels * (1 - mask)) * (1 - coarse)
