"""Learning diffusion of pixels: what is to be said, what is left out, what comes round again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from nonette.checkpoints import format as checkpoints
from nonette.core.errors import InputError
from nonette.diffusion.paths import Tabled
from nonette.models.clip import CLIP
from nonette.recipes import clip as clips
from nonette.recipes.small import dalle2_tiny, imagen_tiny
from nonette.text.tokenizer import PAD_ID, Tokenizer
from nonette.training.objectives.dalle2 import Dalle2Objective, towers_of
from nonette.training.objectives.diffusion import noise_generator
from nonette.training.objectives.imagen import ImagenObjective
from nonette.training.pixel_diffusion import fresh_unet, noised, path_of_pixels
from oracles import draws_the_same_without_readers, randomise

FEW = range(0, 4)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with an untrained CLIP."""
    place = tmp_path_factory.mktemp("runs")
    tokenizer = Path(imagen_tiny(place).settings.tokenizer)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        clip = CLIP(clips.TINY_NETWORK)
    checkpoints.write(
        place / "clip_tiny" / "model",
        name="clip-tiny",
        system="clip",
        networks={"clip": clip},
        registry_names={"clip": "clip"},
        settings={},
        files={"tokenizer.json": tokenizer.read_bytes()},
        card="# Untrained\n",
        dtype=torch.float32,
    )
    return place


def made(objective: Any, config: Any, **changes: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return objective(dataclasses.replace(config.settings, **changes))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("shape", [(5, 3, 4, 4), (5, 16)])
def test_a_network_that_says_what_is_wanted_denoises(prediction: Any, shape: Any) -> None:
    """Training and drawing mean the same by noise, time and prediction."""
    path = Tabled(prediction=prediction, betas="cosine")
    x0 = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    on_way = noised(path, x0, torch.Generator().manual_seed(1))
    for row in range(len(x0)):
        sigma = path.sigma(float(on_way.time[row]))
        x = on_way.x[row : row + 1] * (1 + sigma**2) ** 0.5
        told: list[float] = []

        def network(seen: torch.Tensor, time: torch.Tensor, told=told, row=row) -> torch.Tensor:
            assert torch.allclose(seen, on_way.x[row : row + 1])
            told.append(float(time))
            return on_way.wanted[row : row + 1]

        found = path.denoiser(network)(x, sigma)
        assert torch.allclose(found, x0[row : row + 1], atol=1e-6 * sigma)
        assert told == [pytest.approx(float(on_way.time[row]), abs=1e-3)]


def test_errors_of_a_clean_picture_count_as_those_of_v_up_to_a_limit() -> None:
    x0 = torch.randn(40, 3, 2, 2, dtype=torch.float64)
    said = x0 + 0.1
    paths = [Tabled(prediction=one, betas="cosine") for one in ("sample", "v_prediction")]
    clean, v = (noised(path, x0, torch.Generator().manual_seed(3)) for path in paths)
    sigma = torch.tensor([paths[0].sigma(float(time)) for time in clean.time]).view(-1, 1, 1, 1)
    root = (1 + sigma**2).sqrt()
    said_v = clean.x / sigma - root / sigma * said
    as_v = (said_v - v.wanted).square()
    as_clean = clean.weight * (said - clean.wanted).square()
    is_free = sigma**2 > 0.1
    assert torch.allclose(as_clean[is_free.flatten()], as_v[is_free.flatten()], rtol=1e-4)
    assert clean.weight.max() == 11 and (v.weight == 1).all()


def test_pixels_are_trained_on_a_table() -> None:
    with pytest.raises(ValueError, match="table of timesteps"):
        path_of_pixels({"diffusion": {"kind": "straight"}})
    assert path_of_pixels({}) == Tabled(betas="cosine", spacing="linspace")


def test_fresh_networks_say_nothing_and_the_loss_is_what_there_is_to_say(runs: Path) -> None:
    objective = made(ImagenObjective, imagen_tiny(runs), distinct=0)
    batch = objective.batch(FEW)
    pixels = batch["pixels"].permute(0, 3, 1, 2).float() / 127.5 - 1
    small = F.interpolate(pixels, (16, 16), mode="bicubic", antialias=True).clamp(-1, 1)
    on_way = noised(objective.path, small, noise_generator(7))
    loss, _ = objective.loss("denoiser", batch, 7, 0.0)
    wanted = (on_way.weight * on_way.wanted**2).mean()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert torch.equal(loss, objective.loss("denoiser", batch, 7, 0.5)[0])
    upsampling, _ = objective.loss("upsampler", batch, 7, 0.0)
    assert 0 < upsampling.item() != loss.item()
    loss.backward()
    assert objective.networks["denoiser"].conv_out.weight.grad.abs().sum() > 0
    assert not fresh_unet(objective.settings.denoiser).conv_out.weight.any()


def test_the_upsampler_sees_small_pictures_with_random_noise(runs: Path) -> None:
    objective = made(ImagenObjective, imagen_tiny(runs), upsampled_share=1.0)
    asked: list[Any] = []
    upsampler = objective.networks["upsampler"]
    hook = upsampler.register_forward_pre_hook(
        lambda module, arguments, named: asked.append((arguments[0], named["noise_level"])),
        with_kwargs=True,
    )
    objective.loss("upsampler", objective.batch(FEW), 3, 0.0)
    hook.remove()
    ((read, level),) = asked
    assert read.shape == (4, 6, 32, 32) and len(set(level.tolist())) > 1
    assert level.min() >= 0 and level.max() <= objective.settings.most_noise


def test_scenes_that_come_round_again_are_kept_and_captions_dropped(runs: Path) -> None:
    objective = made(ImagenObjective, imagen_tiny(runs), distinct=8, dropped_captions=0.3)
    first, again = objective.batch(range(0, 4)), objective.batch(range(8, 12))
    assert first["pixels"] is again["pixels"]
    assert first["pixels"].shape == (4, 32, 32, 3)
    texts = torch.cat([objective.batch(range(4 * i, 4 * i + 4))["text"] for i in range(20)])
    dropped = int((texts == objective.scenes.empty).all(dim=1).sum())
    assert 10 < dropped < 40
    tokenizer = Tokenizer.load(objective.settings.tokenizer)
    caption = objective.scenes.dataset[5]["caption"]
    told = tokenizer.encode(caption, objective.settings.text_length)
    assert told in texts.tolist() and PAD_ID in told
    with pytest.raises(InputError, match="distinct is 8"):
        objective.batch(range(0, 3))


def test_the_prior_starts_at_the_mean_of_what_clip_sees(runs: Path) -> None:
    objective = made(Dalle2Objective, dalle2_tiny(runs), distinct=0)
    batch, prior = objective.batch(FEW), objective.networks["prior"]
    seen = objective._see(batch)
    assert objective._see(batch) is seen, "worked out once for both losses"
    objective.after_step(0)
    assert objective._see(batch) is not seen
    normal = prior.normalise(seen.embedding)
    assert torch.allclose(prior.denormalise(normal), seen.embedding, atol=1e-4)
    loss, _ = objective.loss("prior", batch, 3, 0.0)
    assert loss.item() == pytest.approx(normal.square().mean().item(), rel=1e-4)
    learned = {id(one) for one in objective.optimised["prior"]}
    assert id(prior.mean) not in learned and id(prior.answer) in learned
    assert not any(one.requires_grad for one in objective.text_encoder.parameters())


def test_towers_see_and_read_as_the_whole_clip_does(runs: Path) -> None:
    clip = checkpoints.read(runs / "clip_tiny" / "model").network("clip")
    text, image = towers_of(clip)
    ids, pixels = torch.tensor([[0, 9, 7, 2, 1]]), torch.randn(1, 3, 32, 32)
    assert torch.allclose(F.normalize(text(ids)[1], dim=-1), clip.encode_text(ids), atol=1e-6)
    assert torch.allclose(F.normalize(image(pixels), dim=-1), clip.encode_image(pixels), atol=1e-6)


def test_the_decoder_is_told_less_now_and_then(runs: Path) -> None:
    everything = {"dropped_texts": 0.0, "dropped_pictures": 0.0}
    objective = made(Dalle2Objective, dalle2_tiny(runs), **everything)
    seen = objective._see(objective.batch(FEW))
    projection = objective.networks["text_projection"]
    projection.no_picture.data.fill_(3.0)
    context, vector, is_word = objective._told(seen, torch.Generator())
    wanted = projection(seen.embedding, seen.sentence, seen.states)
    assert torch.allclose(context, wanted[0]) and torch.allclose(vector, wanted[1])
    assert is_word[:, :2].all() and torch.equal(is_word[:, 2:], seen.is_word)
    deaf = made(Dalle2Objective, dalle2_tiny(runs), dropped_texts=1.0, dropped_pictures=1.0)
    context, vector, is_word = deaf._told(seen, torch.Generator())
    assert torch.allclose(context[0], context[1]) and torch.allclose(vector[0], vector[1])
    assert int(is_word[0].sum()) == 2 + 2, "the extra tokens and two ends"


def test_a_clip_of_another_size_is_refused_by_name(runs: Path) -> None:
    with pytest.raises(InputError, match=r"resolution is 64, but the CLIP of .* sees 32 pixels"):
        made(Dalle2Objective, dalle2_tiny(runs), resolution=64)


def test_what_is_shipped_draws_the_same_when_readers_are_let_go(runs: Path, tmp_path: Path) -> None:
    objective = made(Dalle2Objective, dalle2_tiny(runs))
    export = objective.export(objective.networks)
    for network in export.networks.values():
        randomise(network)
    checkpoints.write(
        tmp_path / "model",
        name="dalle2-tiny",
        system=export.system,
        networks=export.networks,
        registry_names=export.registry_names,
        settings={**export.settings, "ranker": ""},
        files=export.files,
        card="untrained",
        dtype=torch.float32,
    )
    draws_the_same_without_readers(checkpoints.read(tmp_path / "model"))
