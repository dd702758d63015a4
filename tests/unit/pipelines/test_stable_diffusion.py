"""The system on small random networks: same seed, same bytes; masks, sources, guidance, stops."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nonette.core.errors import InputError, Stopped
from nonette.core.types import Progress
from nonette.models.clip import (
    VIT_L_14,
    ImageEncoder,
    ImageEncoderConfig,
    TextEncoder,
    TextEncoderConfig,
    TextTowerConfig,
)
from nonette.models.dit import DiT, DiTConfig
from nonette.models.kl_autoencoder import AutoencoderKL, AutoencoderKLConfig
from nonette.models.taesd import TAESD, TAESDConfig
from nonette.models.unet import STABLE_DIFFUSION_1, UNet
from nonette.nn import packed
from nonette.pipelines._latents import Accelerated, known_latents
from nonette.pipelines._steps import Job, to_uint8
from nonette.pipelines._walks import to_pixels
from nonette.pipelines.stable_diffusion import StableDiffusion

SIZE, NUM_SEATS = 32, 5
AUTOENCODER = AutoencoderKLConfig(
    patch_size=4, channels=(8, 16), num_res_blocks=1, latent_channels=4, num_groups=4, scale=1.0
)
DIT = DiTConfig(
    text_vocab_size=40,
    text_length=12,
    grid_size=4,
    latent_channels=4,
    patch_size=1,
    width=32,
    num_heads=2,
    hidden=48,
    num_text_layers=1,
    num_layers=2,
    condition_width=16,
)
UNET = dataclasses.replace(
    STABLE_DIFFUSION_1,
    channels=(16, 32),
    num_res_blocks=1,
    transformer_layers=(1, 0),
    num_heads=(2, 2),
    looks_only_out=(False, False),
    context_width=16,
    num_groups=4,
)
CLIP = TextEncoderConfig(
    text=TextTowerConfig(
        vocabulary_size=40,
        length=12,
        width=16,
        num_layers=1,
        num_heads=2,
        end_token=2,
        is_causal=True,
    ),
    embedding_size=None,
    activation="quick_gelu",
    reads="last",
)
SETTINGS = {"num_seats": NUM_SEATS, "steps": 4, "sampler": "euler"}
TABLED = SETTINGS | {"steps": 2, "size": SIZE, "diffusion": {"kind": "tabled"}}
DTYPES = (torch.bfloat16, torch.float32)
NINE = tuple(range(100, 109))
SOURCE = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
HALF = np.zeros((SIZE, SIZE), dtype=bool)
HALF[:, SIZE // 2 :] = True
CAT = Job(prompt="a red cat", seeds=NINE, guidance=3.0)


class Letters:
    """A tokenizer of letters."""

    def encode(self, text: str, length: int) -> list[int]:
        letters = self.words(text)[: length - 2]
        return [0, *letters, 2] + [1] * (length - 2 - len(letters))

    def words(self, text: str) -> list[int]:
        return [4 + ord(letter) % 36 for letter in text]


def ids(text: str) -> torch.Tensor:
    return torch.tensor([Letters().encode(text, DIT.text_length)])


def stirred(network: torch.nn.Module, strength: float) -> Any:
    """With every parameter away from its start, so that everything has a say."""
    for parameter in network.eval().requires_grad_(False).parameters():
        parameter.add_(torch.randn_like(parameter) * strength)
    return network


def build(kind: str = "transformer", **settings: Any) -> StableDiffusion:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        autoencoder = stirred(AutoencoderKL(AUTOENCODER), 0.05)
        text_encoder = None
        if kind == "transformer":
            denoiser, base = stirred(DiT(DIT), 0.1), SETTINGS
        else:
            channels = 9 if kind == "inpainting" else 4
            width = 8 if kind == "lcm" else None
            config = dataclasses.replace(UNET, in_channels=channels, guidance_width=width)
            denoiser, base = stirred(UNet(config), 0.02), TABLED
            text_encoder = stirred(TextEncoder(CLIP), 0.1)
    return StableDiffusion(
        denoiser=denoiser,
        autoencoder=autoencoder,
        tokenizer=Letters(),
        settings=base | settings,
        text_encoder=text_encoder,
    )


make = functools.cache(build)
KINDS = ["transformer", "unet", "inpainting"]


def one(job: Job, **changes: Any) -> Job:
    return dataclasses.replace(job, **changes)


def same(found: np.ndarray, wanted: np.ndarray) -> bool:
    return bool(np.array_equal(found, wanted))


@pytest.mark.parametrize("kind", KINDS)
def test_nine_pictures_differ_and_are_the_same_in_any_company(kind: str) -> None:
    system = make(kind)
    (nine,) = system([CAT])
    assert nine.shape == (9, SIZE, SIZE, 3) and nine.dtype == np.uint8
    assert system.native_size == (SIZE, SIZE)
    assert len({picture.tobytes() for picture in nine}) == 9
    for i in (0, 8):
        assert same(system([one(CAT, seeds=(NINE[i],))])[0][0], nine[i]), "alone"
    assert same(system([one(CAT, seeds=NINE[::-1])])[0], nine[::-1]), "in another order"
    strangers = [
        Job(prompt="zebras", seeds=(7, 100, 2**53 - 1), guidance=9.0, sampler="euler_ancestral"),
        Job(prompt="an ox", seeds=(3, 4), negative_prompt="wood", steps=2),
        one(CAT, task="edit", source=SOURCE, mask=HALF, seeds=(100, 101)),
        Job(prompt="", seeds=(100, 5), task="vary", source=SOURCE, strength=0.5),
    ]
    drawn = system([*strangers[:2], CAT, *strangers[2:]])
    assert same(drawn[2], nine), "with strangers"
    for stranger, pictures in zip(strangers, (*drawn[:2], *drawn[3:]), strict=True):
        assert same(system([stranger])[0], pictures)


@pytest.mark.skipif(not packed.can_pack(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("kind", ["unet", "inpainting"])
def test_hurrying_changes_nothing_but_rounding_and_keeps_the_bytes_in_any_company(
    kind: str,
) -> None:
    system = build(kind)
    system.hurry()
    (nine,) = system([CAT])
    assert np.abs(nine.astype(int) - make(kind)([CAT])[0]).max() <= 1
    stranger = Job(prompt="zebras", seeds=(7, 100), guidance=9.0)
    assert same(system([stranger, one(CAT, seeds=NINE[3:5])])[1], nine[3:5])


@pytest.mark.parametrize("kind", ["unet", "inpainting"])
def test_both_sides_of_the_guidance_may_be_one_call(kind: str) -> None:
    system = build(kind)
    system.asks_both = True
    long = one(CAT, negative_prompt="wood " * 90, seeds=NINE[:2])  # a chunk more than the prompt
    for found, wanted in zip(system([long, CAT]), make(kind)([long, CAT]), strict=True):
        assert np.abs(found.astype(int) - wanted).max() <= 1


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["unet", "inpainting", "lcm"])
def test_a_gpu_draws_what_the_cpu_does_and_keeps_the_bytes_in_any_company(kind: str) -> None:
    system = build(kind)
    for part in (system.denoiser.unet, *system.denoiser.readers, system.autoencoder):
        part.to("cuda")
    system.hurry()
    (nine,) = system([CAT])
    assert np.abs(nine.astype(int) - make(kind)([CAT])[0]).max() <= 2
    assert same(system([one(CAT, prompt="zebras " * 90), one(CAT, seeds=NINE[3:5])])[1], nine[3:5])


@pytest.mark.openvino
@pytest.mark.parametrize("kind", ["unet", "inpainting", "lcm"])
def test_openvino_changes_nothing_but_rounding_and_keeps_the_bytes_in_any_company(
    kind: str,
) -> None:
    system = build(kind)
    system.accelerate()
    system.hurry()  # has nothing to do any more
    (nine,) = system([CAT])
    assert np.abs(nine.astype(int) - make(kind)([CAT])[0]).max() <= 1
    long = one(CAT, prompt="zebras, " * 9, seeds=(7, 100), guidance=9.0)
    edit = one(CAT, task="edit", source=SOURCE, mask=HALF, seeds=(100, 101))
    drawn = system([long, one(CAT, seeds=NINE[3:5]), edit])
    assert same(drawn[1], nine[3:5])
    for job, pictures in ((long, drawn[0]), (edit, drawn[2])):
        assert same(system([job])[0], pictures)
        assert np.abs(pictures.astype(int) - make(kind)([job])[0]).max() <= 1


@pytest.mark.openvino
@torch.no_grad()
@pytest.mark.parametrize(
    "others",
    [
        {"num_classes": 30},
        {"guidance_width": 8},
        {"pooled_width": 6, "size_width": 4},
        {"looks_only_out": (True, False), "num_res_blocks": 2},
    ],
)
def test_openvino_says_what_the_unet_says(others: dict[str, Any]) -> None:
    torch.manual_seed(0)
    unet = stirred(UNet(dataclasses.replace(UNET, **others)), 0.1)
    told = {
        "classes": torch.tensor([3, 29]) if "num_classes" in others else None,
        "guidance": torch.tensor([6.5, 0.0]) if "guidance_width" in others else None,
        "pooled": torch.randn(2, 6) if "pooled_width" in others else None,
        "sizes": torch.full((2, 6), 512) if "pooled_width" in others else None,
    }
    shapes = ((2, 8, 8, 77), (2, 8, 8, 154), (1, 5, 7, 1), (1, 5, 7, 77))
    asked = [
        (torch.randn(b, 4, h, w), torch.tensor([981.0, 3.5])[:b], torch.randn(b, length, 16))
        for b, h, w, length in shapes
    ]
    rounded, exact = (Accelerated(copy.deepcopy(unet).to(dtype)) for dtype in DTYPES)
    for words in asked:
        more = {key: one if one is None else one[: len(words[0])] for key, one in told.items()}
        want = unet(*words, **more)
        assert (exact(*words, **more) - want).abs().max() < 1e-4
        assert (rounded(*words, **more) - want).norm() < 0.03 * want.norm()


def test_a_long_prompt_is_read_whole_and_changes_nobody_else() -> None:
    system = make("unet")
    long = one(CAT, prompt="a red cat, " * 9, seeds=NINE[:2])
    longer = one(long, prompt=long.prompt + "z")
    away = one(CAT, negative_prompt="grass, " * 9, seeds=NINE[:2])
    blend = one(long, task="blend", second_prompt="a dog", mix=0.4)
    drawn = system([long, CAT, longer, away, blend])
    assert same(drawn[1], make("unet")([CAT])[0])
    for job, pictures in zip((long, longer, away, blend), (drawn[0], *drawn[2:]), strict=True):
        assert same(system([job])[0], pictures)
    assert len({pictures[0].tobytes() for pictures in drawn}) == 5


def test_brackets_weigh_for_a_published_network_alone() -> None:
    weighed, plain = one(CAT, prompt="a (red:1.5) cat"), one(CAT, prompt="a red cat")
    escaped = one(CAT, prompt=r"a red cat \(1\)")
    system = make("unet")
    assert not same(system([weighed])[0], system([plain])[0])
    assert not same(system([escaped])[0], system([one(CAT, prompt="a red cat (1)")])[0])
    bundled = make("transformer").denoiser
    assert torch.equal(
        bundled.read("a (red:1.5) cat").states, bundled.dit.read(ids("a (red:1.5) cat"))
    )
    with pytest.raises(InputError, match="weight"):
        system([one(CAT, prompt="a (red:1000) cat")])


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_gives_every_other_pixel_back_as_it_was(kind: str) -> None:
    system = make(kind)
    job = one(CAT, task="edit", source=SOURCE, mask=HALF, seeds=NINE[:2])
    (drawn,) = system([job])
    assert same(drawn[:, ~HALF], np.stack([SOURCE[~HALF]] * 2))
    assert not same(drawn[0][HALF], SOURCE[HALF])
    assert not same(drawn[0], drawn[1])
    (elsewhere,) = system([one(job, source=255 - SOURCE)])
    assert not same(elsewhere[0][HALF], drawn[0][HALF]), "what is around it is in view"


def test_what_is_masked_is_never_seen() -> None:
    other = np.where(HALF[..., None], 255 - SOURCE, SOURCE)
    for kind in KINDS:
        job = one(CAT, task="edit", source=SOURCE, mask=HALF, seeds=NINE[:1])
        if kind == "unet":  # starts from the whole source, and goes to pure noise where masked
            continue
        assert same(make(kind)([job])[0], make(kind)([one(job, source=other)])[0])


def test_a_latent_is_known_where_none_of_its_pixels_is_masked() -> None:
    mask = torch.zeros(1, 1, 16, 16)
    mask[0, 0, 0, 7] = 1
    pixels = torch.ones(1, 3, 16, 16)
    seen = []

    def encode(given: torch.Tensor) -> torch.Tensor:
        seen.append(given)
        return torch.ones(1, 4, 2, 2)

    coarse, known = known_latents(encode, pixels, mask, 2)
    assert coarse[0, 0].tolist() == [[1, 0], [0, 0]] and known[0, 0].tolist() == [[0, 1], [1, 1]]
    assert seen[0][0, :, 0, 7].tolist() == [0, 0, 0] and seen[0].sum() == 3 * 255


@pytest.mark.parametrize("kind", KINDS)
def test_variations_keep_more_of_the_source_the_weaker_they_are(kind: str) -> None:
    system = make(kind, steps=10)
    source = make(kind)([one(CAT, seeds=(3,))])[0][0]  # something the autoencoder can say
    vary = Job(prompt="", seeds=(1, 2), task="vary", source=source)
    (untouched,) = system([one(vary, strength=0.0)])
    assert same(untouched, np.stack([source] * 2))
    latents = system.autoencoder.encode(to_pixels(source, torch.device("cpu")))
    painted = to_uint8(system.autoencoder.decode(latents))[0].astype(float)  # as far as it can
    apart = [
        np.abs(system([one(vary, strength=strength)])[0] - painted).mean()
        for strength in (0.1, 1.0)
    ]
    assert 0 < apart[0] < apart[1]
    assert same(
        system([one(vary, strength=1.0, task="draw", source=None)])[0],
        system([one(vary, strength=1.0)])[0],
    )


def test_a_blend_goes_from_one_to_the_other() -> None:
    system = make()
    (first,), (second,) = system([CAT]), system([one(CAT, prompt="two dogs")])
    blend = one(CAT, task="blend", second_prompt="two dogs")
    assert same(system([one(blend, mix=0.0)])[0], first)
    assert same(system([one(blend, mix=1.0)])[0], second)
    (middle,) = system([blend])
    assert not same(middle, first) and not same(middle, second)
    pictures = Job(prompt="", seeds=(1,), task="blend", source=SOURCE, second_source=255 - SOURCE)
    (between,) = system([pictures])
    assert same(system([one(pictures, source=255 - SOURCE, second_source=SOURCE)])[0], between)
    assert not same(system([one(pictures, mix=0.9)])[0], between)


def test_guidance_of_one_is_the_prompt_alone() -> None:
    system = make()
    plain = one(CAT, guidance=1.0)
    assert same(system([plain])[0], system([one(plain, negative_prompt="blue")])[0])
    assert not same(system([plain])[0], system([one(plain, guidance=1.5)])[0])
    assert same(system([CAT])[0], system([one(CAT, negative_prompt="")])[0])
    assert not same(system([CAT])[0], system([one(CAT, negative_prompt="blue")])[0])


def test_a_distilled_network_guides_itself_in_one_call_a_step() -> None:
    system = make(is_distilled=True)
    asked: list[tuple[float, float]] = []
    forward = DiT.forward

    def watched(self: DiT, x: Any, time: Any, *others: Any) -> torch.Tensor:
        asked.append((float(others[-2][0]), float(others[-1][0])))
        return forward(self, x, time, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DiT, "forward", watched)
        (drawn,) = system([one(CAT, seeds=(100,))])
        assert asked == [(0.25, 2.0)] * 4
        asked.clear()
        (away,) = system([one(CAT, seeds=(100,), negative_prompt="blue")])
        assert asked == [(0.25, 0.0)] * 8, "what to draw away from needs the other branch"
    assert not same(drawn, away)
    with pytest.raises(InputError, match="sampler is 'heun', but this model"):
        system([one(CAT, sampler="heun")])
    limited = make(is_distilled=True, most_guidance=6.0)
    assert same(limited([one(CAT, seeds=(100,))])[0], drawn)
    for scale in (0.5, 6.1):
        with pytest.raises(InputError, match=f"guidance is {scale}, but .* hold 1 to 6"):
            limited([one(CAT, guidance=scale)])


def test_a_latent_consistency_model_is_told_the_guidance() -> None:
    diffusion = {"kind": "tabled", "is_consistent": True}
    system = build("lcm", sampler="lcm", steps=2, diffusion=diffusion)
    assert not same(system([CAT])[0], system([one(CAT, guidance=8.0)])[0])


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m", "dpmpp_2m_sde", "unipc", "heun", "plms"])
@pytest.mark.parametrize("kind", ["transformer", "unet"])
def test_every_sampler_draws(kind: str, sampler: str) -> None:
    (drawn,) = make(kind)([one(CAT, seeds=(1, 2), sampler=sampler, steps=3)])
    assert len({picture.tobytes() for picture in drawn}) == 2


def test_progress_counts_every_step_and_previews_change_nothing() -> None:
    system, events = make(), list[Progress]()
    (nine,) = system([CAT])
    (drawn,) = system([CAT], events.append, preview_every=2)
    assert same(drawn, nine)
    total = 2 * 4 + 9  # two groups of seats, four steps each, nine pictures
    assert [(event.done, event.total) for event in events] == [(i + 1, total) for i in range(total)]
    assert [event.phase for event in events] == ["drawing"] * 8 + ["painting"] * 9
    assert [i for i, event in enumerate(events) if event.previews is not None] == [1, 3, 5, 7]
    last = np.concatenate([events[i].previews for i in (3, 7)])  # decoded together, so rounded so
    assert np.abs(last.astype(int) - nine).max() <= 1, "the last x0 is the picture"


def test_a_tiny_decoder_may_show_the_previews() -> None:
    system, events = make(), list[Progress]()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tiny = TAESD(
            TAESDConfig(
                width=8, latent_channels=4, encoder_blocks=(1,) * 4, decoder_blocks=(1,) * 4
            )
        ).eval()
    previewing = StableDiffusion(
        denoiser=system.denoiser.dit,  # type: ignore[attr-defined]
        autoencoder=system.autoencoder,
        tokenizer=Letters(),
        settings=SETTINGS,
        previewer=tiny,
    )
    (drawn,) = previewing([CAT], events.append, preview_every=4)
    assert same(drawn, system([CAT])[0])
    previews = [event.previews for event in events if event.previews is not None]
    assert previews[0].shape == (5, SIZE, SIZE, 3) and not same(previews[0], drawn[:5])


@pytest.mark.parametrize("num_allowed", [0, 1, 6, 8, 9, 16])
def test_it_stops_within_a_step(num_allowed: int) -> None:
    events: list[Progress] = []
    with pytest.raises(Stopped):
        make()([CAT], events.append, lambda: len(events) == num_allowed)
    assert len(events) == num_allowed


def test_without_jobs_nothing_is_drawn() -> None:
    assert make()([]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: build(num_seats=0), "num_seats is 0"),
        (lambda: build(sampler="k_lms"), "sampler is 'k_lms'"),
        (lambda: build(diffusion={"kind": "curved"}), "diffusion.kind is 'curved'"),
        (lambda: build(diffusion={"kind": "straight", "shfit": 2.0}), "did you mean 'shift'"),
        (lambda: build("unet", size=30), "size is 30"),
        (lambda: build("unet", steps=2000), "draws in 1 to 1,000 steps"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        change()


def test_parts_that_no_such_model_has_are_refused_by_name() -> None:
    system = make()
    parts = {
        "denoiser": system.denoiser.dit,  # type: ignore[attr-defined]
        "autoencoder": system.autoencoder,
        "settings": SETTINGS,
    }
    with pytest.raises(ValueError, match="it has prior"):
        StableDiffusion(**parts, tokenizer=Letters(), prior=torch.nn.Identity())
    with pytest.raises(ValueError, match="a UNet that reads no words"):
        StableDiffusion(**parts, tokenizer=Letters(), image_encoder=torch.nn.Identity())
    with pytest.raises(ValueError, match="needs a tokenizer"):
        StableDiffusion(**parts, tokenizer=None)


def test_a_network_that_sees_draws_of_pictures_alone() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        seeing = ImageEncoderConfig(
            image=dataclasses.replace(
                VIT_L_14.image, size=8, patch_size=4, width=8, num_layers=1, num_heads=2, hidden=16
            ),
            embedding_size=UNET.context_width,
            activation="quick_gelu",
        )
        system = StableDiffusion(
            denoiser=stirred(UNet(UNET), 0.02),
            autoencoder=make("unet").autoencoder,
            tokenizer=None,
            settings=TABLED,
            image_encoder=stirred(ImageEncoder(seeing), 0.1),
        )
    vary = Job(prompt="", task="vary", source=SOURCE, seeds=(1, 2), guidance=3.0)
    (whole,) = system([vary])
    assert same(system([one(vary, prompt="a red cat")])[0], whole), "words say nothing to it"
    assert not same(system([one(vary, source=255 - SOURCE)])[0], whole), "it sees the picture"
    blend = one(vary, task="blend", second_source=255 - SOURCE, mix=0.5)
    drawn = system([vary, blend, one(vary, task="edit", mask=HALF)])
    assert same(drawn[0], whole)
    assert same(drawn[1], system([blend])[0]) and not same(drawn[1], whole)
    assert same(drawn[2][:, ~HALF], np.stack([SOURCE[~HALF]] * 2))
    with pytest.raises(InputError, match="task is 'draw', but this model reads no words"):
        system([CAT])
