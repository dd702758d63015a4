"""The contrastive loss in closed form, and batches whose neighbours differ in one attribute."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from nonette.core.errors import InputError
from nonette.data.scenes import corpus, splits
from nonette.data.scenes.world import TINY_WORLD, draw_scene
from nonette.models.clip import CLIPConfig, ImageTowerConfig, TextTowerConfig
from nonette.text import tokenizer
from nonette.training.objectives import contrastive
from nonette.training.objectives.contrastive import (
    ContrastiveObjective,
    Settings,
    info_nce,
    own_choice,
)

NETWORK = CLIPConfig(
    image=ImageTowerConfig(
        size=32,
        patch_size=8,
        width=32,
        num_layers=1,
        num_heads=2,
        stem_channels=(8, 16),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    ),
    text=TextTowerConfig(
        vocabulary_size=400,
        length=32,
        width=32,
        num_layers=1,
        num_heads=2,
        end_token=2,
        is_causal=False,
    ),
    embedding_size=16,
    activation="gelu",
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("words") / "tokenizer.json"
    path.write_bytes(tokenizer.train(corpus.captions(TINY_WORLD, 1, 200), 400).to_bytes())
    return Settings(network=NETWORK, world=TINY_WORLD, tokenizer=str(path), num_alterations=2)


@pytest.fixture(scope="module")
def objective(settings: Settings) -> ContrastiveObjective:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ContrastiveObjective(settings)


def no_alterations(num_pictures: int) -> Tensor:
    return torch.zeros(num_pictures, 0)


# -- the loss


@pytest.mark.parametrize("scale", [0.0, 1.0, 5.0])
def test_orthogonal_pairs_have_the_closed_form(scale: float) -> None:
    """Own cosine 1 and all others 0: log(1 + (B - 1) exp(-scale)) in both directions."""
    logits = scale * torch.eye(6)
    expected = math.log(1 + 5 * math.exp(-scale))
    assert float(info_nce(logits, no_alterations(6))) == pytest.approx(expected, rel=1e-5)


def test_alterations_join_the_pictures_choice_only() -> None:
    logits, hard = 3 * torch.eye(4), torch.full((4, 2), 1.0)
    of_pictures = math.log(1 + (3 + 2 * math.e) * math.exp(-3))
    of_captions = math.log(1 + 3 * math.exp(-3))
    expected = (of_pictures + of_captions) / 2
    assert float(info_nce(logits, hard)) == pytest.approx(expected, rel=1e-5)


def test_what_is_masked_is_not_held_against_anyone() -> None:
    logits = torch.randn(5, 5)
    logits[1, 3] = logits[3, 1] = -torch.inf
    hard = torch.full((5, 1), -torch.inf)
    by_hand = 0.0
    for matrix in (logits, logits.T):
        for own in range(5):
            total = sum(math.exp(x) for x in matrix[own].tolist() if x > -math.inf)
            by_hand += (math.log(total) - float(matrix[own, own])) / 10
    assert float(info_nce(logits, hard)) == pytest.approx(by_hand, rel=1e-5)


def test_own_choice_is_info_nce_of_every_group_alone() -> None:
    logits, hard = torch.randn(12, 12), torch.randn(12, 2)
    groups = [slice(start, start + 3) for start in range(0, 12, 3)]
    expected = torch.stack([info_nce(logits[g, g], hard[g]) for g in groups]).mean()
    torch.testing.assert_close(own_choice(logits, hard, 3), expected)


def test_groups_of_one_without_alterations_have_nothing_to_choose() -> None:
    assert float(own_choice(torch.randn(4, 4), no_alterations(4), 1)) == 0.0


# -- the batches


def test_batches_repeat_and_follow_from_the_indices_alone(objective: ContrastiveObjective) -> None:
    whole = objective.batch(range(8, 24))
    parts = [objective.batch(range(8, 16)), objective.batch(range(16, 24))]
    for name, tensor in whole.items():
        assert torch.equal(tensor, torch.cat([part[name] for part in parts]))
    assert whole["pixels"].shape == (16, 32, 32, 3)
    assert whole["own"].shape == (16, 32)
    assert whole["altered"].shape == (16, 2, 32)


def test_torn_groups_are_refused(objective: ContrastiveObjective) -> None:
    with pytest.raises(InputError, match="group_size"):
        objective.batch(range(0, 6))


def test_members_of_a_group_look_and_read_differently(objective: ContrastiveObjective) -> None:
    """A tiny world cannot always tell a scene in four ways; members that read alike are masked."""
    groups = [objective._group(group) for group in range(20)]
    for members in groups:
        pixels = {member.caption: member.pixels.tobytes() for member in members}
        assert len(pixels) >= 2
        assert len(set(pixels.values())) == len(pixels)
        assert all(member.caption not in member.altered for member in members)
    assert sum(len({member.caption for member in members}) for members in groups) > 20 * 3.5


def test_no_altered_scene_shows_a_held_out_pair(objective: ContrastiveObjective) -> None:
    for index in range(150):
        scene = draw_scene(TINY_WORLD, 1, index)
        for other in objective._altered(scene, 3, ("test", index)):
            assert other != scene
            assert splits.held_out_pairs(other) == ()


# -- training


def test_equal_captions_are_not_held_against_each_other(
    objective: ContrastiveObjective,
) -> None:
    """Where every caption is the same sentence there is nothing to tell apart, so no loss."""
    batch = objective.batch(range(0, 8))
    same = batch["own"][:1].expand(8, -1)
    alike = {"pixels": batch["pixels"], "own": same, "altered": same[:, None].expand(-1, 2, -1)}
    with torch.inference_mode():
        loss, figures = objective.loss("clip", alike, 0, 0.0)
        usual, _ = objective.loss("clip", batch, 0, 0.0)
    assert float(loss) == float(figures["among_hard"]) == 0.0
    assert float(usual) > 1.0


def test_sentences_are_embedded_in_their_own_order(objective: ContrastiveObjective) -> None:
    ids = objective.batch(range(0, 16))["own"]
    clip = objective.networks["clip"]
    torch.testing.assert_close(
        contrastive._encode_texts(clip, ids), clip.encode_text(ids), atol=1e-5, rtol=1e-5
    )


def test_one_batch_can_be_learned_by_heart(settings: Settings) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        objective = ContrastiveObjective(dataclasses.replace(settings, worn_share=0.0))
    batch = objective.batch(range(0, 8))
    optimiser = torch.optim.AdamW(objective.optimised["clip"], lr=1e-3)
    for step in range(100):
        loss, figures = objective.loss("clip", batch, step, 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        objective.after_step(step)
    assert float(loss.detach()) < 0.2  # from 6.5 untrained
    assert float(figures["right_caption"]) == float(figures["right_picture"]) == 1.0
    assert float(figures["scale"]) <= 100.01


def test_what_ships_ranks(objective: ContrastiveObjective) -> None:
    shipped = objective.export(objective.networks)
    assert shipped.system == "clip"
    assert set(shipped.networks) == set(shipped.registry_names) == {"clip"}
    assert tokenizer.Tokenizer.from_bytes(shipped.files["tokenizer.json"]).vocabulary_size <= 400


def test_the_sheet_shows_every_sentence_and_its_best(objective: ContrastiveObjective) -> None:
    with torch.inference_mode():
        sheet = objective.sheet(objective.networks)
    assert sheet is not None
    assert sheet.width > sheet.height > 32 * 6
