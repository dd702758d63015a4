"""DALL·E 2 and Imagen on small random networks: same seed, same bytes; stages, masks, sources."""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nonette.core.errors import InputError, Stopped
from nonette.core.types import Progress
from nonette.models.clip import (
    ImageEncoder,
    ImageEncoderConfig,
    ImageTowerConfig,
    TextEncoder,
    TextEncoderConfig,
    TextTowerConfig,
)
from nonette.models.pixel_unet import KARLO_DECODER, KARLO_UPSAMPLER, PixelUNet
from nonette.models.t5 import T5Config, T5Encoder
from nonette.models.unclip import Prior, PriorConfig, TextProjection, TextProjectionConfig
from nonette.nn import packed
from nonette.pipelines._steps import Job
from nonette.pipelines.dalle2 import Dalle2, slerp, words_of
from nonette.pipelines.imagen import Imagen

SIZE, LARGE, NUM_SEATS, LENGTH, EMBEDDING = 8, 16, 3, 8, 16
COSINE = {"kind": "tabled", "betas": "cosine", "spacing": "linspace", "prediction": "v_prediction"}
SETTINGS = {"num_seats": NUM_SEATS, "steps": 3, "sampler": "ddim", "diffusion": COSINE}
UNET = dataclasses.replace(
    KARLO_DECODER,
    out_channels=3,
    channels=(8, 16),
    num_res_blocks=(1, 1),
    has_attention=(False, True),
    head_width=8,
    num_groups=4,
    context_width=16,
    patch_size=2,
)
UPSAMPLER = dataclasses.replace(
    KARLO_UPSAMPLER,
    channels=(8, 16),
    num_res_blocks=(1, 1),
    has_attention=(False, False),
    num_groups=4,
    patch_size=4,
)
TOWER = TextTowerConfig(
    vocabulary_size=40,
    length=LENGTH,
    width=EMBEDDING,
    num_layers=1,
    num_heads=2,
    end_token=2,
    is_causal=True,
)
VISION = ImageTowerConfig(
    size=8,
    patch_size=4,
    width=16,
    num_layers=1,
    num_heads=2,
    stem_channels=(),
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
T5 = T5Config(vocabulary_size=40, width=16, num_heads=2, head_width=8, hidden=24, num_layers=1)
SEEDS = (100, 101, 102, 103)
KINDS = ["dalle2", "karlo", "imagen", "imagen-1"]


class Letters:
    """A tokenizer of letters."""

    def encode(self, text: str, length: int) -> list[int]:
        letters = [4 + ord(letter) % 36 for letter in text][: length - 2]
        return [0, *letters, 2] + [1] * (length - 2 - len(letters))

    def count(self, text: str) -> int:
        return len(text) + 2


def stirred(network: torch.nn.Module, strength: float = 0.05) -> Any:
    """With every parameter away from its start, so that everything has a say."""
    for parameter in network.eval().requires_grad_(False).parameters():
        parameter.add_(torch.randn_like(parameter) * strength)
    return network


def build(kind: str, **changes: Any) -> Any:
    """A system: "karlo" has the published stages, "imagen-1" has one stage."""
    settings: dict[str, Any] = dict(SETTINGS)
    parts: dict[str, Any] = {"tokenizer": Letters()}
    with torch.random.fork_rng():
        torch.manual_seed(2)
        if kind.startswith("imagen"):
            config = dataclasses.replace(UNET, text_width=16, num_pool_heads=2, told="nothing")
            parts |= {
                "denoiser": stirred(PixelUNet(config)),
                "text_encoder": stirred(T5Encoder(T5)),
            }
            settings |= {"size": LARGE if kind == "imagen-1" else SIZE, "text_length": LENGTH}
            told = dataclasses.replace(UPSAMPLER, told="noise_level")
            if kind == "imagen":
                parts["upsampler"] = stirred(PixelUNet(told))
        else:
            learned = dataclasses.replace(UNET, out_channels=6 if kind == "karlo" else 3)
            parts |= dalle2_parts(learned)
            settings |= {"size": SIZE if kind == "karlo" else LARGE, "prior": {"steps": 2}}
            if kind == "karlo":
                settings["diffusion"] = {"kind": "tabled", "betas": "cosine", "spacing": "linspace"}
                parts["upsampler"] = stirred(PixelUNet(UPSAMPLER))
                parts["last_upsampler"] = stirred(PixelUNet(UPSAMPLER))
    upsampling = {"size": LARGE, "steps": 2, "noise_level": 100}
    settings["upsampler"] = changes.pop("upsampling", upsampling)
    for name, change in changes.items():
        is_part = change is None or isinstance(change, torch.nn.Module)
        (parts if is_part else settings)[name] = change
    return (Imagen if kind.startswith("imagen") else Dalle2)(**parts, settings=settings)


def dalle2_parts(decoder: Any) -> dict[str, Any]:
    return {
        "decoder": stirred(PixelUNet(decoder)),
        "text_projection": stirred(
            TextProjection(
                TextProjectionConfig(
                    embedding_size=EMBEDDING,
                    num_extra_tokens=2,
                    context_width=16,
                    time_width=decoder.time_width,
                )
            ),
            0.2,
        ),
        "text_encoder": stirred(
            TextEncoder(
                TextEncoderConfig(
                    text=TOWER, embedding_size=EMBEDDING, activation="gelu", reads="last"
                )
            ),
            0.2,
        ),
        "image_encoder": stirred(
            ImageEncoder(
                ImageEncoderConfig(image=VISION, embedding_size=EMBEDDING, activation="gelu")
            ),
            0.2,
        ),
        "prior": stirred(
            Prior(
                PriorConfig(
                    embedding_size=EMBEDDING, length=LENGTH, width=16, num_heads=2, num_layers=1
                )
            ),
            0.2,
        ),
    }


make = functools.cache(build)
SOURCE = np.random.default_rng(0).integers(0, 256, (LARGE, LARGE, 3), dtype=np.uint8)
HALF = np.zeros((LARGE, LARGE), dtype=bool)
HALF[:, LARGE // 2 :] = True
CAT = Job(prompt="cat", seeds=SEEDS, guidance=3.0)


def one(job: Job, **changes: Any) -> Job:
    return dataclasses.replace(job, **changes)


def same(found: np.ndarray, wanted: np.ndarray) -> bool:
    return bool(np.array_equal(found, wanted))


def apart(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found.astype(int) - wanted).max())


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_differ_and_are_the_same_in_any_company(kind: str) -> None:
    system = make(kind)
    (four,) = system([CAT])
    assert four.shape == (4, LARGE, LARGE, 3) and system.native_size == (LARGE, LARGE)
    assert len({picture.tobytes() for picture in four}) == 4
    assert same(system([one(CAT, seeds=(103,))])[0][0], four[3]), "alone"
    strangers = [
        Job(prompt="zebras", seeds=(7, 100), guidance=9.0, sampler="euler_ancestral"),
        one(CAT, task="edit", source=SOURCE, mask=HALF, seeds=(100,)),
        Job(prompt="", seeds=(100, 5), task="vary", source=SOURCE, strength=0.5),
        Job(prompt="an ox", seeds=(3, 4), negative_prompt="wood", steps=3),
    ]
    if "blend" in system.tasks:
        strangers.append(one(CAT, task="blend", second_prompt="two dogs", seeds=(4, 5)))
    drawn = system([*strangers[:2], CAT, *strangers[2:]])
    assert same(drawn[2], four), "with strangers"
    for stranger, pictures in zip(strangers, (*drawn[:2], *drawn[3:]), strict=True):
        assert same(system([stranger])[0], pictures)


@pytest.mark.skipif(not packed.can_pack(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("kind", KINDS)
def test_hurrying_changes_nothing_but_rounding_and_keeps_the_bytes_in_any_company(
    kind: str,
) -> None:
    system = build(kind)
    system.hurry()
    (four,) = system([CAT])
    assert apart(four, make(kind)([CAT])[0]) <= 1
    assert same(
        system([Job(prompt="zebras", seeds=(7, 100)), one(CAT, seeds=SEEDS[1:])])[1], four[1:]
    )
    edit = one(CAT, task="edit", source=SOURCE, mask=HALF)
    assert apart(system([edit])[0], make(kind)([edit])[0]) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_stages_may_have_their_networks_for_as_long_as_they_last_and_no_longer(kind: str) -> None:
    system, loaded = build(kind), list[str]()
    holders = {part: system._place(part) for part in system.stages}
    whole = {part: getattr(*place, None) for part, place in holders.items()}
    present = {part: network for part, network in whole.items() if network is not None}
    for part in present:
        setattr(*holders[part], copy.deepcopy(whole[part]).to("meta"))

    def load(part: str) -> torch.nn.Module:
        loaded.append(part)
        return copy.deepcopy(present[part])

    system.load = load
    jobs = [CAT, one(CAT, task="vary", source=SOURCE, strength=0.5)]
    wanted = build(kind)
    wanted.hurry()
    for found, expected in zip(system(jobs), wanted(jobs), strict=True):
        assert same(found, expected)
    assert loaded == list(present)
    for part in present:
        assert all(one.is_meta for one in getattr(*holders[part]).parameters()), part
    with pytest.raises(Stopped):
        system(jobs, None, lambda: len(loaded) > len(present))
    assert all(one.is_meta for part in present for one in getattr(*holders[part]).parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_gives_every_other_pixel_back_and_looks_at_it(kind: str) -> None:
    system = make(kind)
    job = one(CAT, task="edit", source=SOURCE, mask=HALF, seeds=SEEDS[:2])
    (drawn,) = system([job])
    assert same(drawn[:, ~HALF], np.stack([SOURCE[~HALF]] * 2))
    assert not same(drawn[0][HALF], SOURCE[HALF]) and not same(drawn[0], drawn[1])
    (elsewhere,) = system([one(job, source=255 - SOURCE)])
    assert not same(elsewhere[0][HALF], drawn[0][HALF]), "what is around it is in view"


@pytest.mark.parametrize("kind", KINDS)
def test_variations_of_no_strength_are_the_source(kind: str) -> None:
    system = make(kind)
    vary = Job(prompt="", seeds=(1, 2), task="vary", source=SOURCE, strength=0.0)
    assert same(system([vary])[0], np.stack([SOURCE] * 2))
    (whole,) = system([one(vary, strength=1.0)])
    (other,) = system([one(vary, strength=1.0, source=255 - SOURCE)])
    sees = kind in ("dalle2", "karlo")
    assert same(whole, other) != sees, "DALL·E 2 sees the source, Imagen starts from its pixels"
    assert not same(whole, system([one(vary, strength=0.5)])[0])
    drawn = system([one(vary, task="draw", source=None)])[0]
    assert same(whole, drawn) != sees


def test_a_blend_goes_from_one_to_the_other() -> None:
    system = make("dalle2")
    (first,), (second,) = system([CAT]), system([one(CAT, prompt="two dogs")])
    blend = one(CAT, task="blend", second_prompt="two dogs")
    assert apart(system([one(blend, mix=0.0)])[0], first) <= 1
    assert apart(system([one(blend, mix=1.0)])[0], second) <= 1
    (middle,) = system([blend])
    assert apart(middle, first) > 1 and apart(middle, second) > 1
    pictures = Job(prompt="", seeds=(1,), task="blend", source=SOURCE, second_source=255 - SOURCE)
    (between,) = system([pictures])
    swapped = one(pictures, source=255 - SOURCE, second_source=SOURCE)
    assert apart(system([swapped])[0], between) <= 1
    vary = one(pictures, task="vary", second_source=None, strength=1.0)
    assert apart(system([one(pictures, mix=0.0)])[0], system([vary])[0]) <= 1


def test_vectors_are_blended_along_the_great_circle() -> None:
    x, y = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]])
    middle = slerp(x, y, 0.5)
    assert torch.allclose(middle, torch.tensor([[1.0, 1.0]]) * 3 / math.sqrt(2))
    third = slerp(x, y, torch.tensor([[1 / 3]]))
    assert math.degrees(math.atan2(*third[0].flip(0).tolist())) == pytest.approx(30, abs=1e-3)
    assert torch.allclose(slerp(x, x, 0.3), x), "no angle"
    assert torch.isfinite(slerp(x, -x, 0.5)).all(), "no one way round"


def test_a_text_s_words_end_with_its_first_end() -> None:
    ids = torch.tensor([[0, 9, 2, 2, 2], [0, 9, 9, 9, 9]])
    assert words_of(ids, 2).int().tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]


@pytest.mark.parametrize("kind", ["dalle2", "imagen"])
def test_guidance_of_one_is_the_prompt_alone(kind: str) -> None:
    system, job = make(kind), one(CAT, seeds=(1, 2))
    plain = one(job, guidance=1.0)
    assert same(system([plain])[0], system([one(plain, negative_prompt="blue")])[0])
    assert not same(system([plain])[0], system([job])[0])
    assert not same(system([job])[0], system([one(job, negative_prompt="blue")])[0])
    assert not same(system([plain])[0], system([one(plain, prompt="dog")])[0])


@pytest.mark.parametrize(
    ("kind", "phases"),
    [
        ("karlo", ["imagining"] * 4 + ["drawing"] * 6 + ["enlarging"] * 4),
        ("imagen", ["drawing"] * 6 + ["enlarging"] * 4),
    ],
)
def test_progress_counts_every_step_and_previews_change_nothing(
    kind: str, phases: list[str]
) -> None:
    system, events = make(kind), list[Progress]()
    (drawn,) = system([CAT], events.append, preview_every=2)
    assert same(drawn, system([CAT])[0])
    phases = [*phases, *["painting"] * 4]  # of two groups
    assert [event.phase for event in events] == phases
    assert [(event.done, event.total) for event in events] == [
        (i + 1, len(phases)) for i in range(len(phases))
    ]
    previews = [event.previews for event in events if event.previews is not None]
    assert [len(shown) for shown in previews] == [3, 1]
    assert all(shown.shape[1:] == (LARGE, LARGE, 3) for shown in previews)
    for num_allowed in (0, 1, 4, 6, len(phases) - 1):
        seen: list[Progress] = []
        with pytest.raises(Stopped):
            system([CAT], seen.append, lambda seen=seen, most=num_allowed: len(seen) == most)
        assert len(seen) == num_allowed


@pytest.mark.parametrize("kind", ["dalle2", "imagen"])
def test_when_the_network_runs_the_stack_is_that_of_the_tour(kind: str) -> None:
    system, stacks = make(kind), list[list[str]]()
    forward = PixelUNet.forward

    def watched(self: PixelUNet, *others: Any, **told: Any) -> torch.Tensor:
        stacks.append([frame.filename for frame in inspect.stack(0)][::-1])
        return forward(self, *others, **told)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PixelUNet, "forward", watched)
        system([one(CAT, seeds=(1,))])
    stack = iter(stacks[0])
    for station in (f"pipelines/{kind}.py", "diffusion/samplers.py"):
        assert any(frame.endswith(station) for frame in stack), station


def test_the_last_step_of_enlarging_is_another_network_s() -> None:
    system, asked = make("karlo"), list[str]()
    names = {system.cascade.upsampler.unet: "first", system.cascade.upsampler.last: "last"}
    forward = PixelUNet.forward

    def watched(self: PixelUNet, *others: Any, **told: Any) -> torch.Tensor:
        if self in names:
            asked.append(names[self])
        return forward(self, *others, **told)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PixelUNet, "forward", watched)
        system([one(CAT, seeds=(1,))])
    assert asked == ["first", "last"]


def test_the_upsampler_is_told_how_noisy_the_small_picture_is() -> None:
    quiet = {"size": LARGE, "steps": 2, "noise_level": 0}
    job = one(CAT, seeds=(1,))
    assert not same(build("imagen", upsampling=quiet)([job])[0], make("imagen")([job])[0])


def test_without_settings_the_sizes_and_steps_are_those_published() -> None:
    parts = {"tokenizer": Letters(), **dalle2_parts(UNET), "upsampler": PixelUNet(UPSAMPLER)}
    karlo = Dalle2(**parts, settings={})
    assert karlo.native_size == (256, 256) and karlo.cascade.size == 64
    walks = karlo.prior_walk, karlo.cascade.walk(CAT), karlo.cascade.upsampler.walk
    assert [walk.num_left for walk in walks] == [25, 25, 7]
    assert karlo.prior_path.prediction == "sample" and karlo.cascade.path.prediction == "epsilon"


def test_what_a_model_lacks_it_refuses_by_name() -> None:
    no_prior, blind = build("dalle2", prior=None), build("dalle2", image_encoder=None)
    with pytest.raises(InputError, match="no prior"):
        no_prior([CAT])
    with pytest.raises(InputError, match="cannot look at pictures"):
        blind([one(CAT, task="vary", source=SOURCE)])
    assert no_prior([one(CAT, task="vary", source=SOURCE, seeds=(1,))])[0].shape[0] == 1
    edit = one(CAT, task="edit", source=SOURCE, mask=HALF, seeds=(1,))
    assert blind([edit])[0].shape[0] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: build("dalle2", num_seats=0), "num_seats is 0"),
        (lambda: build("imagen", num_seats=0), "num_seats is 0"),
        (lambda: build("imagen", sampler="k_lms"), "sampler is 'k_lms'"),
        (lambda: build("imagen", size=10), "size is 10, but it must be a multiple of 4"),
        (lambda: build("dalle2", diffusion={"kind": "curved"}), "diffusion.kind is 'curved'"),
        (lambda: build("dalle2", prior={"steps": 2000}), "draws in 1 to 1,000 steps"),
        (lambda: build("karlo", decoder=PixelUNet(UPSAMPLER)), "decoder reads 6 channels"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        change()
