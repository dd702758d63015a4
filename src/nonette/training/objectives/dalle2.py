"""unCLIP's objective: imagine a picture's CLIP embedding, and draw pixels that have it.

Ramesh et al. (2022), sections 2.1 and 2.2. The prior says the clean embedding of a caption, and the
decoder what noise there is in pixels whose embedding it is told; both see the same pictures, and a
frozen CLIP that was trained before. So that both can be guided, captions are dropped for a share of
the prior's samples, and for shares of the decoder's the picture's embedding and the caption.

    B batch, L text tokens, E CLIP's embedding, H W pixels
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from nonette.checkpoints import store
from nonette.checkpoints.format import read
from nonette.core.errors import InputError
from nonette.data.scenes import corpus
from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import PREVIEW_SEED, World
from nonette.models.clip import (
    CLIP,
    ImageEncoder,
    ImageEncoderConfig,
    TextEncoder,
    TextEncoderConfig,
)
from nonette.models.pixel_unet import PixelUNet, PixelUNetConfig
from nonette.models.unclip import Prior, PriorConfig, TextProjection, TextProjectionConfig
from nonette.pipelines.dalle2 import PRIOR_PATH, Dalle2, words_of
from nonette.text.tokenizer import Tokenizer
from nonette.training import pictures
from nonette.training.objective import Batch, Export, Objective
from nonette.training.objectives.diffusion import noise_generator
from nonette.training.pixel_diffusion import (
    drawn_examples,
    error,
    fresh_unet,
    noised,
    path_of_pixels,
    shipped_with,
)
from nonette.training.pixel_scenes import PixelScenes

NUM_MEASURED = 256  # pictures that the embeddings' mean and deviation are measured on


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to train on, and with what.

    Attributes:
        prior: Sizes of the prior.
        decoder: Sizes of the decoder.
        projection: Sizes of what the decoder is told.
        clip: Name or folder of the CLIP whose embeddings are imagined; its tokenizer is ours.
        world: The scenes; held-out pairs are left out of them.
        resolution: Pictures' height and width in pixels, CLIP's too.
        data_seed: Seed of the scenes.
        dropped_captions: Share of the prior's samples without a caption.
        dropped_texts: Of the decoder's samples.
        dropped_pictures: Share of the decoder's samples that are not told the embedding.
        distinct: Scenes after which the series repeats, a multiple of the batch size; 0 for never.
        drawing: Pipeline settings that the finished model is shipped with.
    """

    prior: PriorConfig
    decoder: PixelUNetConfig
    projection: TextProjectionConfig
    clip: str
    world: World
    resolution: int
    data_seed: int = 1
    dropped_captions: float = 0.1
    dropped_texts: float = 0.5
    dropped_pictures: float = 0.1
    distinct: int = 0
    drawing: dict[str, Any]


class Seen(NamedTuple):
    """A batch as CLIP sees it.

    Attributes:
        embedding: Of the pictures, (B, E).
        states: Of the captions, (B, L, E), some of them empty.
        sentence: (B, E).
        is_word: (B, L).
    """

    embedding: Tensor
    states: Tensor
    sentence: Tensor
    is_word: Tensor


class Dalle2Objective(Objective):
    """Optimisers `prior` and `decoder`; CLIP is frozen and not averaged."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        checkpoint = read(store.find(settings.clip))
        self.tokenizer = cast(Tokenizer, checkpoint.tokenizer())
        self.text_encoder, self.image_encoder = towers_of(cast(CLIP, checkpoint.network("clip")))
        self._check_sizes()
        self.scenes = PixelScenes(
            world=settings.world,
            seed=settings.data_seed,
            resolution=settings.resolution,
            tokenizer=self.tokenizer,
            text_length=self.text_encoder.config.text.length,
            dropped_captions=settings.dropped_captions,
            distinct=settings.distinct,
        )
        self.path = path_of_pixels(settings.drawing)
        self.prior_path = path_of_pixels({"diffusion": PRIOR_PATH})
        prior = self._fresh_prior()
        decoder, projection = fresh_unet(settings.decoder), TextProjection(settings.projection)
        self.networks = nn.ModuleDict(
            {"prior": prior, "decoder": decoder, "text_projection": projection}
        )
        learned = [one for one in prior.parameters() if one.requires_grad]
        self.optimised = {
            "prior": learned,
            "decoder": [*decoder.parameters(), *projection.parameters()],
        }
        self._last: tuple[Batch, Seen] | None = None
        self._system(self.networks)  # parts that do not fit fail now

    def batch(self, indices: range) -> Batch:
        """See `PixelScenes.batch`."""
        return self.scenes.batch(indices)

    def loss(
        self, name: str, batch: Batch, step: int, progress: float
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean squared error of the embedding, in deviations, or weighted of what pixels are."""
        seen, generator = self._see(batch), noise_generator(step)
        if name == "prior":
            prior = cast(Prior, self.networks["prior"])
            on_way = noised(self.prior_path, prior.normalise(seen.embedding), generator)
            said = prior(on_way.x, on_way.time, seen.sentence, seen.states, seen.is_word)
            return F.mse_loss(said.float(), on_way.wanted), {}
        pixels = pictures.to_float(batch["pixels"]).contiguous(memory_format=torch.channels_last)
        on_way = noised(self.path, pixels, generator)
        context, vector, is_word = self._told(seen, generator)
        decoder = cast(PixelUNet, self.networks["decoder"])
        said = decoder(on_way.x, on_way.time, context, mask=is_word, vector=vector)
        return error(said, on_way), {}

    def after_step(self, step: int) -> None:
        """Forget what both losses looked at."""
        self._last = None

    def sheet(self, networks: nn.ModuleDict) -> Image.Image:
        """Two drawings of each of the world's example sentences."""
        settings = self.settings
        guidance = float(settings.drawing["guidance"])
        return drawn_examples(self._system(networks), settings.world, guidance)

    def export(self, networks: nn.ModuleDict) -> Export:
        """The whole system: prior, decoder and what it is told, CLIP's towers, tokenizer."""
        world = self.settings.world
        return Export(
            system="dalle2",
            networks={
                **networks,
                "text_encoder": self.text_encoder,
                "image_encoder": self.image_encoder,
            },
            registry_names={
                "prior": "prior",
                "decoder": "pixel_unet",
                "text_projection": "text_projection",
                "text_encoder": "clip_text",
                "image_encoder": "clip_image",
            },
            settings=shipped_with(world, self._drawing()),
            files={
                "tokenizer.json": self.tokenizer.to_bytes(),
                "vocabulary.json": corpus.vocabulary(world).to_bytes(),
            },
            examples=corpus.examples(world),
        )

    def _system(self, networks: nn.ModuleDict) -> Dalle2:
        return Dalle2(
            prior=cast(Prior, networks["prior"]),
            decoder=cast(PixelUNet, networks["decoder"]),
            text_projection=cast(TextProjection, networks["text_projection"]),
            text_encoder=self.text_encoder,
            image_encoder=self.image_encoder,
            tokenizer=self.tokenizer,
            settings=self._drawing(),
        )

    def _drawing(self) -> dict[str, Any]:
        return {"size": self.settings.resolution, **self.settings.drawing}

    @torch.no_grad()
    def _see(self, batch: Batch) -> Seen:
        """The batch as CLIP sees it, worked out once for both losses."""
        if self._last is None or self._last[0] is not batch:
            ids = batch["text"]
            states, sentence = self.text_encoder(ids)
            embedding = self.image_encoder(pictures.to_float(batch["pixels"])).float()
            is_word = words_of(ids, self.text_encoder.config.text.end_token)
            self._last = batch, Seen(embedding, states.float(), sentence.float(), is_word)
        return self._last[1]

    def _told(self, seen: Seen, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """What the decoder is told, with shares of it left out: context, vector, and its mask."""
        projection = cast(TextProjection, self.networks["text_projection"])
        device, count = seen.embedding.device, len(seen.embedding)
        with torch.no_grad():
            empty = self.scenes.empty[None].to(device)
            states, sentence = self.text_encoder(empty)
        no_text, no_picture = (
            (torch.rand(count, 1, generator=generator) < share).to(device)
            for share in (self.settings.dropped_texts, self.settings.dropped_pictures)
        )
        picture = torch.where(no_picture, projection.no_picture, seen.embedding)
        context, vector = projection(
            picture,
            torch.where(no_text, sentence.float(), seen.sentence),
            torch.where(no_text[:, :, None], states.float(), seen.states),
        )
        is_word = torch.where(
            no_text, words_of(empty, self.text_encoder.config.text.end_token), seen.is_word
        )
        extra = context.shape[1] - is_word.shape[1]
        return context, vector, F.pad(is_word, (extra, 0), value=True)

    def _fresh_prior(self) -> Prior:
        """A prior that says the mean embedding at first, whose measures are those of scenes."""
        prior, settings = Prior(self.settings.prior), self.settings
        dataset = SceneDataset(world=settings.world, seed=PREVIEW_SEED, size=settings.resolution)
        shown = pictures.stack([dataset[index]["pixels"] for index in range(NUM_MEASURED)])
        with torch.no_grad():
            embeddings = self.image_encoder(pictures.to_float(shown))
            prior.mean.copy_(embeddings.mean(dim=0))
            prior.std.copy_(embeddings.std(dim=0).clamp_min(1e-4))
        for measure in (prior.mean, prior.std):
            measure.requires_grad_(False)
        for parameter in (prior.positions, prior.answer):
            nn.init.normal_(parameter, std=0.02)
        for parameter in prior.picture_out.parameters():
            nn.init.zeros_(parameter)
        return prior

    def _check_sizes(self) -> None:
        size, width = self.image_encoder.config.image.size, self.text_encoder.config.text.width
        if size != self.settings.resolution:
            limit = f"the CLIP of {self.settings.clip} sees {size} pixels"
            raise InputError("resolution", self.settings.resolution, limit)
        if width != self.settings.prior.embedding_size:
            limit = f"the CLIP of {self.settings.clip} has states of {width} numbers"
            raise InputError("prior.embedding_size", self.settings.prior.embedding_size, limit)


def towers_of(clip: CLIP) -> tuple[TextEncoder, ImageEncoder]:
    """CLIP's towers alone, frozen."""
    config = clip.config
    text = TextEncoder(
        TextEncoderConfig(
            text=config.text,
            embedding_size=config.embedding_size,
            activation=config.activation,
            reads="last",
        )
    )
    image = ImageEncoder(
        ImageEncoderConfig(
            image=config.image, embedding_size=config.embedding_size, activation=config.activation
        )
    )
    text.text_tower.load_state_dict(clip.text_tower.state_dict())
    image.image_tower.load_state_dict(clip.image_tower.state_dict())
    return text.eval().requires_grad_(False), image.eval().requires_grad_(False)
