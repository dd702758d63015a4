"""The data set: any worker count gives the same stream, and captions tell its scenes."""

from __future__ import annotations

import numpy as np
import pytest
from torch.utils.data import DataLoader

from nonette.data.scenes import captions, painter
from nonette.data.scenes.dataset import SceneDataset
from nonette.data.scenes.world import TINY_WORLD, draw_scene

DATASET = SceneDataset(world=TINY_WORLD, seed=5_000_000, size=32, length=24)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core
@pytest.mark.parametrize("num_workers", [1, 2])
def test_any_number_of_workers_gives_the_same_stream(num_workers: int) -> None:
    loader = DataLoader(DATASET, batch_size=4, num_workers=num_workers, collate_fn=list)  # type: ignore[arg-type]
    streamed = [sample for batch in loader for sample in batch]
    assert len(streamed) == 24
    for index, sample in enumerate(streamed):
        alone = DATASET[index]
        assert np.array_equal(sample["pixels"], alone["pixels"])
        for key in ("caption", "scene", "boxes"):
            assert sample[key] == alone[key]


def test_a_sample_is_the_scene_painted_and_told() -> None:
    for index in range(12):
        sample = DATASET[index]
        scene = draw_scene(TINY_WORLD, DATASET.seed, index)
        assert sample["scene"] == scene
        render = painter.paint(scene, 32, DATASET.seed, index)
        assert np.array_equal(sample["pixels"], render.pixels)
        assert sample["boxes"] == render.boxes
        told = [captions.tell(scene, language, DATASET.seed, index) for language in ("en", "fr")]
        assert sample["caption"] in told


def test_languages_come_in_equal_shares() -> None:
    both = SceneDataset(world=TINY_WORLD, seed=1, size=32)
    english = SceneDataset(world=TINY_WORLD, seed=1, size=32, languages=("en",))
    same = [both[index]["caption"] == english[index]["caption"] for index in range(300)]
    assert 0.35 < np.mean(same) < 0.65


def test_the_set_ends_where_it_says() -> None:
    assert len(DATASET) == 24
    for index in (24, -1):
        with pytest.raises(IndexError, match="outside of the 24 scenes"):
            DATASET[index]
