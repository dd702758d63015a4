"""The system on small random networks: same seed, same bytes; guidance, previews, stopping."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nonette.core.errors import Stopped
from nonette.core.types import Progress
from nonette.decoding.sample import Controls, draw_uniforms, sample
from nonette.models.bart import Bart, BartConfig
from nonette.models.vqgan import VQGAN, VQGANConfig
from nonette.nn import packed
from nonette.pipelines._steps import Job, blocks_to_codes, generator, to_uint8
from nonette.pipelines.dalle_mini import GREY, DalleMini

VQGAN_CONFIG = VQGANConfig(
    resolution=32,
    patch_size=2,
    channels=16,
    channel_multipliers=(1, 2),
    num_res_blocks=1,
    attention_resolutions=(),
    num_groups=4,
    z_channels=16,
    code_dim=8,
    codebook_size=60,
)
BART_CONFIG = BartConfig(
    text_vocab_size=40,
    text_length=12,
    image_vocab_size=60,
    image_length=16,
    width=48,
    num_heads=3,
    hidden=70,
    num_encoder_layers=1,
    num_decoder_layers=2,
    codes_per_position=4,
    code_width=8,
    head_width=24,
    init_std=0.4,
)
NUM_SEATS = 5
NINE = tuple(range(100, 109))


class Letters:
    """A tokenizer of letters."""

    def encode(self, text: str, length: int) -> list[int]:
        letters = [4 + ord(letter) % 36 for letter in text][: length - 2]
        return [0, *letters, 2] + [1] * (length - 2 - len(letters))


def make(codes_per_position: int = 4, **vqgan_changes: Any) -> DalleMini:
    image_length = 64 // codes_per_position
    bart_config = dataclasses.replace(
        BART_CONFIG,
        codes_per_position=codes_per_position,
        image_length=image_length,
        start_id=60,
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        bart = Bart(bart_config).eval().requires_grad_(False)
        vqgan = VQGAN(dataclasses.replace(VQGAN_CONFIG, **vqgan_changes)).eval()
        vqgan.requires_grad_(False).codebook.weight.normal_()
    settings = {"num_seats": NUM_SEATS}
    return DalleMini(bart=bart, vqgan=vqgan, tokenizer=Letters(), settings=settings)


@pytest.fixture(scope="module")
def system() -> DalleMini:
    return make()


@pytest.fixture(scope="module")
def nine(system: DalleMini) -> np.ndarray:
    return system([Job(prompt="a red cat", seeds=NINE, guidance=3.0)])[0]


def test_nine_pictures_differ_and_have_the_native_size(system: DalleMini, nine: np.ndarray) -> None:
    assert nine.shape == (9, 32, 32, 3) and nine.dtype == np.uint8
    assert system.native_size == (32, 32)
    assert len({picture.tobytes() for picture in nine}) == 9


def test_the_same_seed_gives_the_same_bytes_in_any_company(
    system: DalleMini, nine: np.ndarray
) -> None:
    def job(*seeds: int) -> Job:
        return Job(prompt="a red cat", seeds=seeds, guidance=3.0)

    for i in (0, 4, 8):
        assert (system([job(NINE[i])])[0][0] == nine[i]).all(), "alone"
    assert (system([job(*NINE[::-1])])[0] == nine[::-1]).all(), "in another order"
    assert (system([job(*range(98, 116))])[0][2:11] == nine).all(), "among more"
    strangers = [
        Job(prompt="zebras", seeds=(7, 8, 100, 2**53 - 1), guidance=9.0, top_k=5, top_p=0.6),
        Job(prompt="xylophone", seeds=tuple(range(13)), negative_prompt="wood", temperature=2.0),
    ]
    drawn = system([strangers[0], job(*NINE), strangers[1]])
    assert (drawn[1] == nine).all(), "with strangers"
    for stranger, pictures in zip(strangers, drawn[::2], strict=True):
        assert (system([stranger])[0] == pictures).all()


def test_guidance_of_one_is_the_prompt_alone(system: DalleMini) -> None:
    plain = Job(prompt="a red cat", seeds=NINE[:4])
    negative = dataclasses.replace(plain, negative_prompt="a blue dog")
    pictures = system([plain])[0]
    assert (system([negative])[0] == pictures).all()
    assert (system([dataclasses.replace(plain, guidance=1.5)])[0] != pictures).any()

    # the same without any unconditional branch: teacher-forced logits of the prompt itself
    ids = torch.tensor([Letters().encode("a red cat", 12)])
    uniforms = draw_uniforms([generator(NINE[0])], 16, 4)
    ones = torch.ones(1)
    codes = torch.zeros(1, 16, 4, dtype=torch.int64)
    controls = Controls(
        guidance=ones, temperature=ones, top_k=torch.tensor([60]), top_p=ones, uniforms=uniforms
    )

    def code_logits(position: torch.Tensor, so_far: torch.Tensor) -> torch.Tensor:
        n, slot = int(position), so_far.shape[1]
        codes[:, n, :slot] = so_far[:1]
        return system.bart(ids, codes)[:, n, slot].repeat(2, 1)

    def step(previous: torch.Tensor | None, position: int) -> torch.Tensor:
        if previous is not None:
            codes[:, position - 1] = previous[:1]
        return torch.tensor(position)

    drawn = sample(step, code_logits, controls, num_codes=60)
    expected = to_uint8(system.vqgan.decode_codes(blocks_to_codes(drawn)))[0]
    assert (expected == pictures[0]).all()


def test_a_negative_prompt_matters_and_a_blank_one_is_none(
    system: DalleMini, nine: np.ndarray
) -> None:
    job = Job(prompt="a red cat", seeds=NINE, guidance=3.0)
    assert (system([dataclasses.replace(job, negative_prompt="  \t ")])[0] == nine).all()
    assert (system([dataclasses.replace(job, negative_prompt="blue")])[0] != nine).any()


def test_the_published_form_draws_too() -> None:
    single = make(codes_per_position=1, pixel_range=(0.0, 1.0))
    job = Job(prompt="a red cat", seeds=NINE, guidance=3.0)
    pictures = single([job])[0]
    assert pictures.shape == (9, 32, 32, 3)
    assert (single([dataclasses.replace(job, seeds=NINE[3:4])])[0][0] == pictures[3]).all()


def test_progress_counts_every_step_and_previews_change_nothing(
    system: DalleMini, nine: np.ndarray
) -> None:
    events: list[Progress] = []
    job = Job(prompt="a red cat", seeds=NINE, guidance=3.0)
    pictures = system([job], events.append, preview_every=4)[0]
    assert (pictures == nine).all()
    total = 2 * 16 + 9  # two groups of seats, sixteen positions each, nine pictures
    assert [(one.done, one.total) for one in events] == [(i + 1, total) for i in range(total)]
    assert [one.phase for one in events] == ["drawing"] * 32 + ["painting"] * 9
    seen = [i for i, one in enumerate(events) if one.previews is not None]
    assert seen == [3, 7, 11, 15, 19, 23, 27, 31]

    shown = [one.previews for one in events if one.previews is not None]
    assert shown[0].shape == (5, 32, 32, 3)
    assert (shown[3] == nine[:5]).all() and (shown[7] == nine[5:]).all(), "full previews"
    rows_done = 8  # pixels: four positions are one row of blocks of 2×2 codes of 4×4 pixels
    assert (shown[0][:, rows_done:] == GREY).all()
    assert not (shown[0][:, :rows_done] == GREY).all()


@pytest.mark.parametrize("num_allowed", [0, 1, 5, 16, 20, 32, 35])
def test_it_stops_within_a_step(system: DalleMini, num_allowed: int) -> None:
    events: list[Progress] = []
    job = Job(prompt="a red cat", seeds=NINE)
    with pytest.raises(Stopped):
        system([job], events.append, lambda: len(events) == num_allowed)
    assert len(events) == num_allowed


def test_without_jobs_nothing_is_drawn(system: DalleMini) -> None:
    assert system([]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: make(resolution=64), "vqgan reads 16×16"),
        (lambda: make(codebook_size=61), "vqgan has 61 codes"),
        (lambda: make(codes_per_position=2), "no squares"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: Callable[[], DalleMini], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        change()


@pytest.mark.skipif(not packed.can_pack(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("codes_per_position", [1, 4])
def test_in_float32_hurrying_changes_nothing_but_rounding(codes_per_position: int) -> None:
    plain, hurried = make(codes_per_position), make(codes_per_position)
    hurried.hurry()
    job = Job(prompt="a red cat", seeds=(0, 1), guidance=3.0)
    (expected,), (got,) = plain([job]), hurried([job])
    assert np.abs(got.astype(int) - expected).max() <= 1


@pytest.mark.skipif(not packed.can_pack(), reason="torch was built without oneDNN")
def test_in_a_hurry_too_the_same_seed_gives_the_same_bytes_in_any_company() -> None:
    system = make(1)
    bart, vqgan = system.bart.bfloat16(), system.vqgan.bfloat16()
    settings = {"num_seats": NUM_SEATS}
    system = DalleMini(bart=bart, vqgan=vqgan, tokenizer=Letters(), settings=settings)
    system.hurry()
    alone = system([Job(prompt="a red cat", seeds=(5,), guidance=3.0)])[0][0]
    company = [
        Job(prompt="a much longer sentence about dogs", seeds=(4, 6, 9), guidance=7.0),
        Job(prompt="a red cat", seeds=(5,), guidance=3.0),
    ]
    assert system(company)[1][0].tobytes() == alone.tobytes()
